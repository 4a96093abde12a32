//! The curves of several runs as one picture: validation error and training loss.

use striate_tensor::Result;
use striate_train::RunFacts;
use striate_vision::draw::{Series, curves as draw};
use striate_vision::{Image, encode_png};

/// The columns that are drawn, with their titles.
const COLUMNS: [(&str, &str); 2] = [("val_top1_error", "validation error"), ("train_loss", "training loss")];

/// Draws the curves of `runs` as PNG, one chart below the other.
pub fn curves(runs: &[RunFacts]) -> Result<Vec<u8>> {
    let names = names(runs);
    let charts = COLUMNS.map(|(column, title)| {
        let series = runs.iter().zip(&names).map(|(run, name)| (name.clone(), run.column(column).to_vec()));
        draw(title, "epoch", &series.collect::<Vec<Series>>())
    });
    encode_png(&below(&charts)?)
}

/// The names of the folders, or their paths where two have the same.
fn names(runs: &[RunFacts]) -> Vec<String> {
    let short = |run: &RunFacts| run.path.file_name().unwrap_or(run.path.as_os_str()).to_owned();
    let name = |run: &RunFacts| match runs.iter().filter(|other| short(other) == short(run)).count() {
        1 => short(run).to_string_lossy().into_owned(),
        _ => run.path.to_string_lossy().into_owned(),
    };
    runs.iter().map(name).collect()
}

/// Images of one width and three channels, one below the other.
fn below(images: &[Image]) -> Result<Image> {
    let (width, height) = (images[0].width(), images.iter().map(Image::height).sum());
    let pixels = images.iter().flat_map(|image| image.pixels().iter().copied()).collect();
    Image::new(width, height, 3, pixels)
}
