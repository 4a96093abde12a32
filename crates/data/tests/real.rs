//! The real files of MNIST and Fashion-MNIST, if downloaded.

use striate_data::{Dataset, MnistKind, Pixels, Prepared, Spec, Split, data_folder, get};
use striate_vision::preprocess;

/// Returns the data set; prints that the test is skipped if it is missing.
fn real(kind: MnistKind, test: &str) -> Option<Dataset> {
    let folder = data_folder().unwrap().join(kind.name());
    // This file is stored last.
    if !folder.join("t10k-labels-idx1-ubyte").is_file() {
        let what = format!("{} is missing; run scripts/fetch-data.sh", kind.name());
        striate_testkit::missing_data(test, &what);
        return None;
    }
    Some(striate_data::load(&Spec::Mnist(kind), &striate_data::LoadOptions::default()).unwrap())
}

const BOTH: [MnistKind; 2] = [MnistKind::Mnist, MnistKind::FashionMnist];

/// Class counts, the first labels, and the sum of all pixels of the training images match the published files.
#[test]
fn published_files_are_read() {
    for (kind, first, sum) in [
        (MnistKind::Mnist, [5, 0, 4, 1, 9], 1_567_298_545u64),
        (MnistKind::FashionMnist, [9, 0, 0, 3, 0], 3_431_114_169),
    ] {
        let Some(set) = real(kind, "published_files_are_read") else { continue };
        let test = set.test.as_ref().unwrap();
        assert_eq!((set.train.len(), test.len(), set.train.shape), (60_000, 10_000, [1, 28, 28]));
        assert_eq!(set.train.labels[..5], first);
        let Pixels::Bytes(bytes) = &set.train.pixels else { panic!("expected bytes") };
        assert_eq!(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>(), sum);
        let counts = test.counts(10);
        match kind {
            MnistKind::Mnist => assert_eq!(counts, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
            MnistKind::FashionMnist => assert_eq!(counts, [1000; 10]),
        }
    }
}

#[test]
fn mean_and_std_match_the_padded_training_images() {
    for kind in BOTH {
        let Some(set) = real(kind, "mean_and_std") else { continue };
        let prepared = Prepared::new(set.train, set.preprocessing.as_ref()).unwrap();
        assert_eq!(prepared.shape(), [1, 32, 32]);
        let mut image = vec![0.0f32; 1024];
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for index in 0..prepared.len() {
            prepared.write(index, &mut image).unwrap();
            sum += image.iter().map(|x| f64::from(*x)).sum::<f64>();
            squares += image.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        }
        let count = (prepared.len() * 1024) as f64;
        let (mean, std) = (sum / count, (squares / count - (sum / count).powi(2)).sqrt());
        assert!(mean.abs() < 5e-4 && (std - 1.0).abs() < 5e-4, "{}: {mean} {std}", kind.name());
    }
}

/// Image files of the data set's own images reach the network as in training.
#[test]
fn preprocessing_for_other_images_leaves_own_images_unchanged() {
    for kind in BOTH {
        let Some(set) = real(kind, "own images") else { continue };
        let test: &Split = set.test.as_ref().unwrap();
        let [own, foreign] = [&set.preprocessing, &set.predict].map(|form| form.as_ref().unwrap());
        let far = |index: &usize| {
            let image = test.image(*index).unwrap();
            let (a, b) = (preprocess(own, &image), preprocess(foreign, &image));
            a.pixels().iter().zip(b.pixels()).any(|(a, b)| a.abs_diff(*b) > 2)
        };
        let count = (0..test.len()).filter(far).count();
        assert!(count < 20, "{}: {count} of {} change", kind.name(), test.len());
    }
}

/// The stored files of one data set serve as the source for the other.
#[test]
fn files_with_a_wrong_checksum_are_refused() {
    for (kind, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let Some(_) = real(kind, "files_with_a_wrong_checksum") else { continue };
        let error = get(other, &data_folder().unwrap().join(kind.name())).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("MD5"), "{error}");
    }
}
