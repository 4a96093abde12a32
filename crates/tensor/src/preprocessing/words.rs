//! Preprocessing in words, for the user.

use std::fmt;

use super::{DenseSift, Features, Filter, Hog, Preprocessing, Step};

impl Preprocessing {
    /// Describes the steps and the features, one phrase each; the order of colors is not among them.
    pub fn step_words(&self) -> Vec<String> {
        let steps = self.steps.iter().filter(|step| **step != Step::SwapRedBlue).map(ToString::to_string);
        steps.chain(self.features.iter().map(ToString::to_string)).collect()
    }
}

/// One line: colors, steps, features or constants.
impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let is_swapped = self.steps.iter().filter(|step| **step == Step::SwapRedBlue).count() % 2 == 1;
        let colors = match (self.channels, is_swapped) {
            (1, _) => "gray",
            (_, false) => "RGB",
            (_, true) => "BGR",
        };
        if self.features.is_some() {
            return write!(f, "{}", [vec![colors.to_owned()], self.step_words()].concat().join(", "));
        }
        let is_symmetric = self.mean.iter().chain(&self.std).all(|number| *number == 0.5);
        let (range, scale) = match (self.is_in_bytes(), is_symmetric) {
            (true, _) => ("[0, 255]", 255.0),
            (_, true) => ("[-1, 1]", 1.0),
            _ => ("[0, 1]", 1.0),
        };
        write!(f, "{colors} in {range}")?;
        self.step_words().iter().try_for_each(|words| write!(f, ", {words}"))?;
        if is_symmetric {
            return Ok(());
        }
        for (word, numbers, nothing) in [("mean", &self.mean, 0.0), ("std", &self.std, 1.0)] {
            let numbers: Vec<f32> = numbers.iter().map(|number| number * scale).collect();
            if numbers.iter().any(|number| (number - nothing).abs() > 1e-3) {
                write!(f, ", {word} {}", number_words(&numbers))?;
            }
        }
        Ok(())
    }
}

fn number_words(numbers: &[f32]) -> String {
    let short = |number: &f32| {
        let text = format!("{number:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let words: Vec<String> = numbers.iter().map(short).collect();
    match words.split_first() {
        Some((first, rest)) if rest.iter().all(|word| word == first) => first.clone(),
        _ => format!("({})", words.join(", ")),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Step::Resize { height, width, filter } => write!(f, "resized to {height}x{width} ({filter})"),
            Step::ResizeShorter { size, filter } => write!(f, "shorter side resized to {size} ({filter})"),
            Step::Fit { height, width, filter } => write!(f, "fitted into {height}x{width} ({filter})"),
            Step::CenterCrop { height, width } => write!(f, "center crop {height}x{width}"),
            Step::Pad { height, width, .. } => write!(f, "padded to {height}x{width}"),
            Step::Trim { .. } => f.write_str("trimmed"),
            Step::Digit { height, width, .. } => write!(f, "digit centered in {height}x{width}"),
            Step::DarkBackground => f.write_str("on a dark background"),
            Step::SwapRedBlue => f.write_str("red and blue exchanged"),
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Features::Hog(Hog { orientations, pixels_per_cell, cells_per_block, .. }) => {
                let ([height, width], [rows, columns]) = (pixels_per_cell, cells_per_block);
                write!(
                    f,
                    "histograms of {orientations} oriented gradients in cells of {height}x{width} pixels and blocks of \
                     {rows}x{columns} cells"
                )
            }
            Features::DenseSift(DenseSift { step, sizes, root, .. }) => {
                let kind = if *root { "RootSIFT" } else { "SIFT" };
                let sizes: Vec<String> = sizes.iter().map(|size| (4.0 * size).to_string()).collect();
                write!(f, "{kind} descriptors of {} pixels every {step} pixels", sizes.join(" and "))
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Filter::Nearest => "nearest",
            Filter::Box => "box",
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
        })
    }
}
