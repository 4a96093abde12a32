//! A custom augmentation: a function that changes each sample by random numbers of its own. The same seed gives the
//! same samples, whatever the number of threads.

use std::sync::Arc;

use striate::data::{Augmentation, CustomAugmentation, LoadOptions, Loader, Order, Prepared, Sampling};
use striate::tensor::random::Random;
use striate::{Result, Spec};

fn main() -> Result<()> {
    let digits = striate::data::load(&Spec::Digits, &LoadOptions::default())?;
    let train = Arc::new(Prepared::new(digits.train, digits.preprocessing.as_ref())?);
    let augmentation = Augmentation::Custom(CustomAugmentation::new(speckle));
    let sampling = Sampling { batch: 32, min_last: 0, order: Order::Shuffled(0), augmentation, seed: 0 };
    let first = Loader::new(train.clone(), sampling.clone(), 0, 0).next_batch()?;
    let again = Loader::new(train.clone(), sampling.clone(), 0, 0).next_batch()?;
    let later = Loader::new(train, sampling, 1, 0).next_batch()?;
    println!("same seed and epoch, same samples: {}", first == again);
    println!("another epoch, other samples: {}", first != later);
    Ok(())
}

/// Adds noise to a tenth of the pixels, the same in all channels.
fn speckle(sample: &mut [f32], [_, height, width]: [usize; 3], random: &mut Random) {
    for pixel in 0..height * width {
        if random.uniform() < 0.1 {
            let noise = random.between(-0.5, 0.5);
            sample.iter_mut().skip(pixel).step_by(height * width).for_each(|value| *value += noise);
        }
    }
}
