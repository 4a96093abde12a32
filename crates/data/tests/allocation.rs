//! Loading batches does not allocate.

use std::sync::Arc;

use striate_data::{Augmentation, Loader, Order, Prepared, Sampling, Spec};
use striate_testkit::allocation;
use striate_vision::augment::Affine;

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

// The only test in this file: allocations of other tests would be counted too.
#[test]
fn loading_allocates_nothing() {
    let digits = striate_data::load(&Spec::Digits, &striate_data::LoadOptions::default()).unwrap();
    let data = Arc::new(Prepared::new(digits.train, digits.preprocessing.as_ref()).unwrap());
    let limits = Affine { rotation: 10.0, scale: 0.1, shear: 0.1, shift: 2.0 };
    for augmentation in [Augmentation::None, Augmentation::ShiftFlip(2), Augmentation::Affine(limits)] {
        let sampling = Sampling {
            batch: 100,
            min_last: 0,
            order: Order::Shuffled(1),
            augmentation: augmentation.clone(),
            seed: 1,
        };
        let mut loader = Loader::new(data.clone(), sampling, 0, 0);
        let mut next = || {
            let batch = loader.next_batch().unwrap();
            loader.recycle(batch);
        };
        (0..100).for_each(|_| next());
        let before = allocation::count();
        (0..1000).for_each(|_| next());
        // A thread allocates when it waits for the first time.
        let count = allocation::count() - before;
        assert!(count < 10, "{augmentation:?}: {count} allocations");
    }
}
