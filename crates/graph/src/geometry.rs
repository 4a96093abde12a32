//! Sizes in two dimensions: pairs (height, width) and four-sided padding, with their text forms.

use serde::{Deserialize, Serialize};

/// Height and width; in text one number stands for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "PairText", into = "PairText")]
pub struct Pair {
    /// Vertical extent.
    pub h: usize,
    /// Horizontal extent.
    pub w: usize,
}

impl Pair {
    /// One, one: the neutral stride and dilation.
    pub const ONE: Pair = Pair { h: 1, w: 1 };

    /// As `[h, w]`.
    pub const fn array(self) -> [usize; 2] {
        [self.h, self.w]
    }

    pub(crate) fn one() -> Pair {
        Pair::ONE
    }

    pub(crate) fn is_one(&self) -> bool {
        *self == Pair::ONE
    }
}

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Pair { h: both, w: both }
    }
}

impl From<(usize, usize)> for Pair {
    fn from((h, w): (usize, usize)) -> Self {
        Pair { h, w }
    }
}

/// Zeros added around a map; in text one number stands for all sides, two for (height, width), four
/// for (top, left, bottom, right).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "PaddingText", into = "PaddingText")]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    pub(crate) fn is_none(&self) -> bool {
        *self == Padding::default()
    }
}

impl From<usize> for Padding {
    fn from(all: usize) -> Self {
        Padding { top: all, left: all, bottom: all, right: all }
    }
}

impl From<(usize, usize)> for Padding {
    fn from((h, w): (usize, usize)) -> Self {
        Padding { top: h, left: w, bottom: h, right: w }
    }
}

/// The extent of a map after a window of `kernel` moved over it, or `None` if the window is larger
/// than the padded map.
///
/// With `ceil` the last window may reach past the padded map as long as it starts inside the map or
/// its leading padding, as in Caffe and PyTorch.
pub(crate) fn windows(
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
    ceil: bool,
) -> Option<usize> {
    let extent = dilation * (kernel - 1) + 1;
    let room = (input + before + after).checked_sub(extent)?;
    if !ceil {
        return Some(room / stride + 1);
    }
    let count = room.div_ceil(stride) + 1;
    Some(if (count - 1) * stride >= input + before { count - 1 } else { count })
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or [height, width]")]
enum PairText {
    Both(usize),
    Each([usize; 2]),
}

impl From<PairText> for Pair {
    fn from(text: PairText) -> Self {
        match text {
            PairText::Both(both) => both.into(),
            PairText::Each([h, w]) => Pair { h, w },
        }
    }
}

impl From<Pair> for PairText {
    fn from(pair: Pair) -> Self {
        if pair.h == pair.w { PairText::Both(pair.h) } else { PairText::Each(pair.array()) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, [height, width] or [top, left, bottom, right]")]
enum PaddingText {
    All(usize),
    Sides(Vec<usize>),
}

impl TryFrom<PaddingText> for Padding {
    type Error = String;
    fn try_from(text: PaddingText) -> Result<Self, String> {
        match text {
            PaddingText::All(all) => Ok(all.into()),
            PaddingText::Sides(sides) => match sides[..] {
                [h, w] => Ok((h, w).into()),
                [top, left, bottom, right] => Ok(Padding { top, left, bottom, right }),
                _ => Err(format!("padding has {} numbers; it takes 1, 2 or 4", sides.len())),
            },
        }
    }
}

impl From<Padding> for PaddingText {
    fn from(p: Padding) -> Self {
        match (p.top == p.bottom, p.left == p.right, p.top == p.left) {
            (true, true, true) => PaddingText::All(p.top),
            (true, true, false) => PaddingText::Sides(vec![p.top, p.left]),
            _ => PaddingText::Sides(vec![p.top, p.left, p.bottom, p.right]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn window_counts_are_those_of_the_papers() {
        assert_eq!(windows(32, 5, 1, 1, 0, 0, false), Some(28));
        assert_eq!(windows(224, 7, 2, 1, 3, 3, false), Some(112));
        assert_eq!(windows(227, 11, 4, 1, 0, 0, false), Some(55));
        assert_eq!(windows(112, 3, 2, 1, 0, 0, true), Some(56), "GoogLeNet's pools use ceiling mode");
        assert_eq!(windows(2, 5, 1, 1, 1, 1, false), None);
        // A last window that would start in the padding behind the map is dropped.
        assert_eq!(windows(4, 2, 3, 1, 1, 1, true), Some(2));
    }
}
