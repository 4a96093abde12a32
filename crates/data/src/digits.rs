//! The built-in data set: 1,797 handwritten digits of 8×8 pixels.
//!
//! Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI machine learning
//! repository, 1998 (CC BY 4.0). Every fifth sample is a test sample.

use smartcore::dataset::digits::load_dataset;
use striate_vision::{Center, Filter, Preprocessing, Step};

use crate::{Dataset, Pixels, Split, Survey};

/// Returns the data set `digits`.
pub(crate) fn digits() -> Dataset {
    let source = load_dataset();
    let bytes: Vec<u8> =
        source.data.iter().map(|ink| ((ink.clamp(0.0, 16.0) * 255.0 + 8.0) / 16.0) as u8).collect();
    let labels: Vec<i64> = source.target.iter().map(|label| *label as i64).collect();
    let all = Split { shape: [1, 8, 8], pixels: Pixels::Bytes(bytes), labels, files: None };
    let part = |test: bool| (0..all.len()).filter(|i| (i % 5 == 4) == test).collect::<Vec<_>>();
    let enlarge = Step::Resize { height: 32, width: 32, filter: Filter::Bicubic };
    // Mean and standard deviation of the enlarged training images.
    let form =
        |steps| Preprocessing { channels: 1, steps, mean: vec![0.3098], std: vec![0.3492], features: None };
    // Other images are converted to the form of this data set: a centered digit of full height with few pixels.
    let small = Step::Digit { ink: 8, height: 8, width: 8, center: Center::Box };
    let foreign = vec![small, enlarge.clone()];
    Dataset {
        name: "digits".into(),
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        train: all.select(&part(false)),
        validation: None,
        test: Some(all.select(&part(true))),
        preprocessing: Some(form(vec![enlarge])),
        predict: Some(form(foreign)),
        encoding: None,
        survey: Survey::default(),
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::preprocess;

    use super::*;

    #[test]
    fn mean_and_std_match_the_enlarged_digits() {
        let digits = digits();
        let prepared = crate::Prepared::new(digits.train, digits.preprocessing.as_ref()).unwrap();
        let mut image = vec![0.0f32; 1024];
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for index in 0..prepared.len() {
            prepared.write(index, &mut image).unwrap();
            sum += image.iter().map(|x| f64::from(*x)).sum::<f64>();
            squares += image.iter().map(|x| f64::from(x * x)).sum::<f64>();
        }
        let count = (prepared.len() * 1024) as f64;
        let (mean, std) = (sum / count, (squares / count - (sum / count).powi(2)).sqrt());
        assert!(mean.abs() < 2e-3 && (std - 1.0).abs() < 2e-3, "{mean} {std}");
    }

    #[test]
    fn preprocessing_for_other_images_leaves_own_images_unchanged() {
        let digits = digits();
        let [own, foreign] = [digits.preprocessing, digits.predict].map(Option::unwrap);
        let changed = (0..digits.train.len()).filter(|index| {
            let image = digits.train.image(*index).unwrap();
            preprocess(&own, &image) != preprocess(&foreign, &image)
        });
        assert!(changed.count() < 30);
    }

    #[test]
    fn every_fifth_digit_is_a_test_sample() {
        let digits = digits();
        let test = digits.test.as_ref().unwrap();
        assert_eq!((digits.train.len(), test.len()), (1438, 359));
        digits.train.check(10).unwrap();
        assert!(test.counts(10).iter().all(|count| (20..60).contains(count)));
        let Pixels::Bytes(bytes) = &digits.train.pixels else { panic!("expected bytes") };
        assert_eq!((bytes.iter().min(), bytes.iter().max()), (Some(&0), Some(&255)));
    }
}
