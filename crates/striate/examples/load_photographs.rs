//! How fast image files become batches: decodes, crops and mirrors the images of a folder for an epoch; or, with
//! `plain`, only decodes and resizes them. Without a folder, a few images are made.
//!
//!     cargo run --release -p striate --example load_photographs -- [FOLDER [SIZE [plain]]]

use std::sync::Arc;
use std::time::Instant;

use striate::data::{Augmentation, LoadOptions, Loader, Order, Prepared, Sampling, load};
use striate::vision::Filter;
use striate::vision::augment::{Compose, RandomHorizontalFlip, RandomResizedCrop, Size, Transform};
use striate::{Error, Image, Result, Spec, encode_png};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(made, Ok)?;
    let side = arguments.next().and_then(|side| side.parse().ok()).unwrap_or(224);
    let is_plain = arguments.next().is_some_and(|word| word == "plain");
    let options = LoadOptions {
        size: Some([side; 2]),
        keeps_originals: !is_plain,
        cache_bytes: 0,
        ..LoadOptions::default()
    };
    let set = load(&Spec::parse(&folder)?, &options)?;
    let train = Arc::new(Prepared::new(set.train, set.preprocessing.as_ref())?);

    let augmentation = if is_plain { Augmentation::None } else { photographs(side) };
    let sampling = Sampling { batch: 64, min_last: 0, order: Order::Shuffled(0), augmentation, seed: 0 };
    let batches = train.len().div_ceil(sampling.batch);
    let mut loader = Loader::new(train, sampling, 0, 0);
    let (start, mut images) = (Instant::now(), 0);
    for _ in 0..batches {
        let batch = loader.next_batch()?;
        images += batch.labels.len();
        loader.recycle(batch);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{images} images in {seconds:.2} s: {:.0} images/s", images as f64 / seconds);
    Ok(())
}

/// Random resized crops and mirror images.
fn photographs(side: usize) -> Augmentation {
    let crop = RandomResizedCrop {
        size: Size::Side(side),
        scale: [0.08, 1.0],
        ratio: [3.0 / 4.0, 4.0 / 3.0],
        interpolation: Filter::Bilinear,
    };
    let mirror = RandomHorizontalFlip::default();
    Augmentation::Transforms(Compose(vec![
        Transform::RandomResizedCrop(crop),
        Transform::RandomHorizontalFlip(mirror),
    ]))
}

/// Makes a folder with images of two classes.
fn made() -> Result<String> {
    let root = std::env::temp_dir().join("striate-load-photographs");
    let failed = |error: std::io::Error| Error::failed(format!("{}: {error}", root.display()));
    for (class, color) in [("red", [200, 60, 40]), ("blue", [30, 80, 190])] {
        std::fs::create_dir_all(root.join(class)).map_err(failed)?;
        for number in 0..20 {
            let image = encode_png(&Image::filled(300 + number, 260, color))?;
            std::fs::write(root.join(class).join(format!("{number}.png")), image).map_err(failed)?;
        }
    }
    Ok(root.to_string_lossy().into_owned())
}
