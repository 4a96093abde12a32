//! Window sizes in up to three dimensions, padding on every side, and their text forms.

use serde::{Deserialize, Serialize};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result};

/// A number for each axis of a volume; maps `[N, C, H, W]` have no depth, signals `[N, C, W]` neither depth
/// nor height. One number applies to all axes; two are height and width, with depth 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PerAxisText", into = "PerAxisText")]
pub struct PerAxis {
    /// Depth: the frames of a video, the slices of a scan.
    pub d: usize,
    /// Vertical.
    pub h: usize,
    /// Horizontal.
    pub w: usize,
}

impl PerAxis {
    /// One on every axis: the window, stride and dilation that have no effect.
    pub const ONE: PerAxis = PerAxis { d: 1, h: 1, w: 1 };

    /// Returns `[d, h, w]`.
    pub const fn array(self) -> [usize; 3] {
        [self.d, self.h, self.w]
    }

    /// Returns `[h, w]`, for a window over maps.
    pub const fn plane(self) -> [usize; 2] {
        [self.h, self.w]
    }

    /// Creates one from the numbers of the innermost axes; the others are 1.
    ///
    /// # Panics
    /// If `axes` is empty or has more than three elements.
    pub fn of(axes: &[usize]) -> PerAxis {
        match *axes {
            [w] => PerAxis { d: 1, h: 1, w },
            [h, w] => PerAxis { d: 1, h, w },
            [d, h, w] => PerAxis { d, h, w },
            _ => panic!("expected one to three axes, got {}", axes.len()),
        }
    }

    /// Restricts the numbers to the `axes` innermost axes; the others become 1.
    ///
    /// # Errors
    /// If a depth was given for maps, or a height for signals.
    pub(crate) fn on(self, axes: usize) -> Result<PerAxis> {
        let PerAxis { d, h, w } = self;
        let lacks = |what: &str| {
            let sizes = if d == 1 { vec![h, w] } else { vec![d, h, w] };
            let write = if axes < 2 { "one number, the width" } else { "[height, width]" };
            Error::input(format!("{sizes:?} has a {what}, but the input does not; write {write}"))
        };
        let is_one_number = (d, d) == (h, w);
        if !is_one_number && axes < 3 && d != 1 {
            return Err(lacks("depth"));
        }
        if !is_one_number && axes < 2 && h != 1 {
            return Err(lacks("height"));
        }
        Ok(PerAxis { d: if axes < 3 { 1 } else { d }, h: if axes < 2 { 1 } else { h }, w })
    }

    pub(crate) fn one() -> PerAxis {
        PerAxis::ONE
    }

    pub(crate) fn is_one(&self) -> bool {
        *self == PerAxis::ONE
    }
}

impl From<usize> for PerAxis {
    fn from(all: usize) -> Self {
        PerAxis { d: all, h: all, w: all }
    }
}

impl From<(usize, usize)> for PerAxis {
    fn from((h, w): (usize, usize)) -> Self {
        PerAxis { d: 1, h, w }
    }
}

impl From<(usize, usize, usize)> for PerAxis {
    fn from((d, h, w): (usize, usize, usize)) -> Self {
        PerAxis { d, h, w }
    }
}

/// Zeros added around a map or volume. One number applies to all sides; two are (height, width), three
/// (depth, height, width), four (top, left, bottom, right), six (front, top, left, back, bottom, right).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "PaddingText", into = "PaddingText")]
pub struct Padding {
    /// Maps before the first.
    pub front: usize,
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Maps after the last.
    pub back: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The padding before the first element of each axis, `[d, h, w]`.
    pub const fn before(self) -> [usize; 3] {
        [self.front, self.top, self.left]
    }

    /// The padding after the last element of each axis, `[d, h, w]`.
    pub const fn after(self) -> [usize; 3] {
        [self.back, self.bottom, self.right]
    }

    /// Creates one from `[before, after]` of the innermost axes; the others have no padding.
    ///
    /// # Panics
    /// If there are more than three axes.
    pub fn of(sides: &[[usize; 2]]) -> Padding {
        let outer = 3usize.checked_sub(sides.len()).expect("at most three axes have padding");
        let side = |axis: usize, which: usize| if axis < outer { 0 } else { sides[axis - outer][which] };
        Padding {
            front: side(0, 0),
            top: side(1, 0),
            left: side(2, 0),
            back: side(0, 1),
            bottom: side(1, 1),
            right: side(2, 1),
        }
    }

    /// Whether both sides of every axis have the same padding.
    pub fn is_symmetric(self) -> bool {
        self.before() == self.after()
    }

    /// Restricts the padding to the `axes` innermost axes; the others get none.
    ///
    /// # Errors
    /// If padding was given for the depth of maps, or for the height of signals.
    pub(crate) fn on(self, axes: usize) -> Result<Padding> {
        let Padding { front, back, top, left, bottom, right } = self;
        let is_one_number = [top, left, back, bottom, right].iter().all(|side| *side == front);
        let lacks = |before: usize, after: usize, axis: &str| {
            let write = if axes < 2 { "one number or [0, left, 0, right]" } else { "[height, width]" };
            let what = format!("pads the {axis} by {before} before and {after} after");
            Error::input(format!("{what}, but the input has no {axis}; write {write}"))
        };
        if !is_one_number && axes < 3 && (front, back) != (0, 0) {
            return Err(lacks(front, back, "depth"));
        }
        if !is_one_number && axes < 2 && (top, bottom) != (0, 0) {
            return Err(lacks(top, bottom, "height"));
        }
        let keep = |side: usize, min_axes: usize| if axes < min_axes { 0 } else { side };
        Ok(Padding {
            front: keep(front, 3),
            back: keep(back, 3),
            top: keep(top, 2),
            bottom: keep(bottom, 2),
            left,
            right,
        })
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Padding::default()
    }
}

impl From<usize> for Padding {
    fn from(all: usize) -> Self {
        (all, all, all).into()
    }
}

impl From<(usize, usize)> for Padding {
    fn from((h, w): (usize, usize)) -> Self {
        (0, h, w).into()
    }
}

impl From<(usize, usize, usize)> for Padding {
    fn from((d, h, w): (usize, usize, usize)) -> Self {
        Padding { front: d, top: h, left: w, back: d, bottom: h, right: w }
    }
}

/// Computes the number of window positions along one axis, which is the extent of the output; `None` if the
/// window is larger than the padded map, or the sizes overflow. All sizes are in elements: the extent of the
/// `input`, the number of taps (`kernel`), the `stride`, the distance between adjacent taps (`dilation`), and
/// the padding `before` and `after` the input.
///
/// With `ceil`, the last window may extend past the padded map by less than a stride, as long as it starts
/// inside the map or its leading padding, as in Caffe and PyTorch.
///
/// # Panics
/// If `kernel` or `stride` is zero.
pub fn window_count(
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
    ceil: bool,
) -> Option<usize> {
    let extent = dilation.checked_mul(kernel - 1)?.checked_add(1)?;
    let spare = if ceil { stride - 1 } else { 0 };
    let padded = input.checked_add(before)?.checked_add(after)?;
    let count = padded.checked_add(spare)?.checked_sub(extent)? / stride + 1;
    if !ceil {
        return Some(count);
    }
    Some(if (count - 1) * stride >= input + before { count - 1 } else { count })
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "must be a whole number, [height, width] or [depth, height, width]")]
enum PerAxisText {
    All(usize),
    Each(Vec<usize>),
}

impl TryFrom<PerAxisText> for PerAxis {
    type Error = String;
    fn try_from(text: PerAxisText) -> Result<Self, String> {
        match text {
            PerAxisText::All(all) => Ok(all.into()),
            PerAxisText::Each(each) => match each[..] {
                [h, w] => Ok((h, w).into()),
                [d, h, w] => Ok((d, h, w).into()),
                _ => Err(format!(
                    "has {}; expected one, [height, width] or [depth, height, width]",
                    counted(each.len(), "number")
                )),
            },
        }
    }
}

impl From<PerAxis> for PerAxisText {
    fn from(PerAxis { d, h, w }: PerAxis) -> Self {
        match (d == h && h == w, d) {
            (true, all) => PerAxisText::All(all),
            (false, 1) => PerAxisText::Each(vec![h, w]),
            (false, _) => PerAxisText::Each(vec![d, h, w]),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "must be a whole number, or two, three, four or six of them")]
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
                [d, h, w] => Ok((d, h, w).into()),
                [top, left, bottom, right] => Ok(Padding { top, left, bottom, right, ..Padding::default() }),
                [front, top, left, back, bottom, right] => {
                    Ok(Padding { front, top, left, back, bottom, right })
                }
                _ => Err(format!("has {}; expected 1, 2, 3, 4 or 6", counted(sides.len(), "number"))),
            },
        }
    }
}

impl From<Padding> for PaddingText {
    fn from(p: Padding) -> Self {
        let [d, h, w] = p.before();
        match (p.is_symmetric(), d + p.back) {
            (true, _) if d == h && h == w => PaddingText::All(d),
            (true, 0) => PaddingText::Sides(vec![h, w]),
            (true, _) => PaddingText::Sides(vec![d, h, w]),
            (false, 0) => PaddingText::Sides(vec![p.top, p.left, p.bottom, p.right]),
            (false, _) => PaddingText::Sides([p.before(), p.after()].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_counts_match_the_papers() {
        assert_eq!(window_count(32, 5, 1, 1, 0, 0, false), Some(28));
        assert_eq!(window_count(224, 7, 2, 1, 3, 3, false), Some(112));
        assert_eq!(window_count(227, 11, 4, 1, 0, 0, false), Some(55));
        assert_eq!(window_count(112, 3, 2, 1, 0, 0, true), Some(56), "GoogLeNet's pools use ceiling mode");
        assert_eq!(window_count(2, 5, 1, 1, 1, 1, false), None);
        assert_eq!(
            window_count(2, 3, 2, 1, 0, 0, true),
            Some(1),
            "the first window may be partially covered too"
        );
        assert_eq!(window_count(2, 4, 2, 1, 0, 0, true), None);
        // A last window that would start in the trailing padding is dropped.
        assert_eq!(window_count(4, 2, 3, 1, 1, 1, true), Some(2));
    }

    #[test]
    fn sizes_are_read_back_from_text() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Sizes {
            stride: PerAxis,
            padding: Padding,
        }
        let padding = |before: (usize, usize, usize), [back, bottom, right]: [usize; 3]| Padding {
            back,
            bottom,
            right,
            ..before.into()
        };
        for (stride, sides, text) in [
            (2.into(), 1.into(), "stride = 2\npadding = 1\n"),
            ((1, 2).into(), (3, 4).into(), "stride = [1, 2]\npadding = [3, 4]\n"),
            ((2, 3, 3).into(), (2, 0, 1).into(), "stride = [2, 3, 3]\npadding = [2, 0, 1]\n"),
            ((1, 3, 3).into(), padding((0, 1, 2), [0, 3, 4]), "stride = [3, 3]\npadding = [1, 2, 3, 4]\n"),
            (1.into(), padding((0, 1, 2), [3, 4, 5]), "stride = 1\npadding = [0, 1, 2, 3, 4, 5]\n"),
        ] {
            let sizes = Sizes { stride, padding: sides };
            assert_eq!(toml::to_string(&sizes).unwrap(), text);
            assert_eq!(toml::from_str::<Sizes>(text).unwrap(), sizes);
        }
        for text in ["stride = [1]\npadding = 1", "stride = 1\npadding = [1, 2, 3, 4, 5]"] {
            assert!(toml::from_str::<Sizes>(text).unwrap_err().to_string().contains("; expected"));
        }
    }

    #[test]
    fn outer_axes_are_dropped_for_lower_ranks() {
        let (kernel, padding) = (PerAxis::from(3), Padding::from(1));
        assert_eq!(kernel.on(3).unwrap(), kernel);
        assert_eq!(kernel.on(2).unwrap(), PerAxis { d: 1, h: 3, w: 3 });
        assert_eq!(kernel.on(1).unwrap(), PerAxis { d: 1, h: 1, w: 3 });
        assert_eq!(padding.on(2).unwrap(), (0, 1, 1).into());
        assert_eq!(padding.on(1).unwrap(), (0, 0, 1).into());
        assert!(PerAxis::from((2, 3, 3)).on(2).is_err() && PerAxis::from((2, 3, 3)).on(3).is_ok());
        assert!(Padding::from((1, 0, 0)).on(2).is_err() && Padding::from((1, 0, 0)).on(3).is_ok());
        assert_eq!(PerAxis::from((1, 3)).on(1).unwrap(), PerAxis { d: 1, h: 1, w: 3 });
        assert!(PerAxis::from((7, 3)).on(1).is_err() && PerAxis::from((3, 3)).on(1).is_err());
        assert!(Padding::from((1, 0)).on(1).is_err() && Padding::from((0, 1)).on(1).is_ok());
        let sides = Padding { bottom: 2, right: 1, ..Padding::default() };
        assert!(sides.on(1).is_err() && Padding { bottom: 0, ..sides }.on(1).is_ok());
    }
}
