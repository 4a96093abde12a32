//! Properties that hold for all images and parameters.

use proptest::prelude::*;
use striate_tensor::random::{Random, Stream};

use super::super::*;
use super::{random, source};
use crate::{Image, LazyImage, MAX_PIXELS, decode, encode_jpeg, encode_png};

fn image() -> impl Strategy<Value = Image> {
    (1usize..40, 1usize..40, prop::bool::ANY, any::<u8>()).prop_map(|(width, height, is_gray, seed)| {
        let channels = if is_gray { 1 } else { 3 };
        let byte = |i: usize| (i * 89 + i * i * 7 + usize::from(seed) * 31) as u8;
        Image::new(width, height, channels, (0..width * height * channels).map(byte).collect()).unwrap()
    })
}

fn parse(text: &str) -> Transform {
    serde_json::from_str(text).unwrap()
}

/// Every transform, with parameters that fit every image.
fn transforms() -> Vec<Transform> {
    [
        r#"{"name":"Resize","size":[21,17]}"#,
        r#"{"name":"Resize","size":9,"interpolation":"nearest"}"#,
        r#"{"name":"RandomResize","min_size":8,"max_size":20}"#,
        r#"{"name":"CenterCrop","size":[9,30]}"#,
        r#"{"name":"RandomCrop","size":[12,15],"padding":[1,2,3,4],"pad_if_needed":true,"fill":[1,2,3]}"#,
        r#"{"name":"RandomResizedCrop","size":[14,16]}"#,
        r#"{"name":"RandomResizedCrop","size":5,"scale":[1e-9,1],"ratio":[0.01,100]}"#,
        r#"{"name":"RandomHorizontalFlip"}"#,
        r#"{"name":"RandomVerticalFlip"}"#,
        r#"{"name":"ColorJitter","brightness":0.4,"contrast":2,"saturation":[0,3],"hue":0.5}"#,
        r#"{"name":"PcaNoise"}"#,
        r#"{"name":"RandomRotation","degrees":180,"interpolation":"bilinear","fill":[4,5,6]}"#,
        r#"{"name":"RandomAffine","degrees":360,"translate":[1,1],"scale":[0.01,100],"shear":[-89,89,-89,89]}"#,
        r#"{"name":"RandomAffine","degrees":20,"scale":[0.5,2],"shear":9,"interpolation":"bilinear"}"#,
        r#"{"name":"ElasticTransform","sigma":2.5,"fill":[9,90,200]}"#,
        r#"{"name":"ElasticTransform","alpha":300,"sigma":0}"#,
        r#"{"name":"RandomErasing","p":0.9,"value":"random"}"#,
        r#"{"name":"RandomErasing","p":1,"value":[7,8,9]}"#,
        r#"{"name":"TrivialAugmentWide"}"#,
        r#"{"name":"RandAugment","interpolation":"bilinear","fill":100}"#,
    ]
    .map(parse)
    .to_vec()
}

/// Transforms whose parameters leave nothing to change.
fn identities() -> Compose {
    let list = [
        r#"{"name":"RandomHorizontalFlip","p":0}"#,
        r#"{"name":"RandomVerticalFlip","p":0}"#,
        r#"{"name":"ColorJitter"}"#,
        r#"{"name":"PcaNoise","std":0}"#,
        r#"{"name":"RandomRotation","degrees":0}"#,
        r#"{"name":"RandomAffine","degrees":0}"#,
        r#"{"name":"RandomAffine","degrees":0,"interpolation":"bilinear"}"#,
        r#"{"name":"ElasticTransform","alpha":0}"#,
        r#"{"name":"RandomErasing","p":0}"#,
        r#"{"name":"RandAugment","num_ops":0}"#,
    ];
    Compose(list.map(parse).to_vec())
}

/// Transforms alone, and in pairs, of which the first may decode a part of a file.
#[test]
fn files_are_transformed_like_their_images() {
    for (sequence, size) in [(1, [40, 31]), (2, [9, 70]), (3, [64, 16])] {
        let image = source(size[0], size[1], 3, "smooth");
        for bytes in [encode_jpeg(&image, 80).unwrap(), encode_png(&image).unwrap()] {
            let decoded = decode(&bytes).unwrap();
            for first in transforms() {
                for transforms in [vec![first.clone()], vec![first, parse(r#"{"name":"PcaNoise"}"#)]] {
                    let transforms = Compose(transforms);
                    let expected = transforms.apply(decoded.clone(), &mut random(sequence)).unwrap();
                    let lazy = LazyImage::open(&bytes, MAX_PIXELS).unwrap();
                    let found = transforms.apply_lazily(lazy, &mut random(sequence)).unwrap();
                    assert_eq!(found, expected, "{transforms:?}");
                }
            }
            let lazy = LazyImage::open(&bytes, MAX_PIXELS).unwrap();
            assert_eq!(Compose::default().apply_lazily(lazy, &mut random(0)).unwrap(), decoded);
        }
    }
}

proptest! {
    #[test]
    fn same_random_numbers_give_same_pixels_of_the_promised_size(image in image(), sequence in 0u64..1000) {
        for transform in transforms() {
            let operation = transform.operation();
            prop_assert!(operation.check().is_ok(), "{transform:?}");
            let [first, second] = [(); 2].map(|()| operation.apply(image.clone(), &mut random(sequence)).unwrap());
            prop_assert_eq!(&first, &second, "{:?}", transform);
            prop_assert_eq!(first.channels(), image.channels());
            let size = operation.output_size(Some([image.height(), image.width()]));
            if let Some(size) = size {
                prop_assert_eq!([first.height(), first.width()], size, "{:?}", transform);
            }
        }
    }

    #[test]
    fn neutral_parameters_are_identity(image in image(), sequence in 0u64..1000) {
        prop_assert_eq!(identities().apply(image.clone(), &mut random(sequence)).unwrap(), image);
    }

    #[test]
    fn fixed_neutral_amounts_are_identity(image in image()) {
        let adjusts: [fn(&mut Image, f64); 4] =
            [adjust_brightness, adjust_contrast, adjust_saturation, adjust_sharpness];
        for adjust in adjusts {
            let mut changed = image.clone();
            adjust(&mut changed, 1.0);
            prop_assert_eq!(&changed, &image);
        }
        let mut changed = image.clone();
        posterize(&mut changed, 8);
        solarize(&mut changed, 256.0);
        prop_assert_eq!(&changed, &image);
        for op in OPS {
            let neutral = match op {
                Op::Posterize => 8.0,
                Op::Solarize => 256.0,
                Op::AutoContrast | Op::Equalize => continue,
                _ => 0.0,
            };
            for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
                prop_assert_eq!(&op.apply(image.clone(), neutral, interpolation, [9; 3]), &image, "{:?}", op);
            }
        }
    }

    #[test]
    fn four_quarter_turns_are_identity(image in image()) {
        let square = image.window(0, 0, 11, 11, 5);
        let turned = (0..4).fold(square.clone(), |image, _| rotate(&image, 90.0, Interpolation::Nearest, [0; 3]));
        prop_assert_eq!(turned, square);
        let half = rotate(&image, 180.0, Interpolation::Nearest, [0; 3]);
        prop_assert_eq!(rotate(&half, -180.0, Interpolation::Nearest, [0; 3]), image);
    }

    #[test]
    fn random_resized_crop_equals_crop_and_resize(image in image(), sequence in 0u64..1000) {
        let Transform::RandomResizedCrop(crop) = parse(r#"{"name":"RandomResizedCrop","size":[19,13]}"#) else {
            panic!("the name is that of the case")
        };
        let region = crop.draw(image.width(), image.height(), &mut random(sequence));
        let cropped = image.window(region.left as isize, region.top as isize, region.width, region.height, 0);
        let expected = crate::resize(&cropped, 13, 19, crate::Filter::Bilinear);
        prop_assert_eq!(crop.apply(image, &mut random(sequence)).unwrap(), expected);
    }

    #[test]
    fn mixtures_keep_sums(sequence in 0u64..1000, alpha in 0.001f64..10.0, c in 1usize..4, h in 1usize..9, w in 1usize..9) {
        for mixing in [Mixing::MixUp { alpha }, Mixing::CutMix { alpha }] {
            let mix = mixing.draw(h, w, &mut random(sequence));
            prop_assert_eq!(mix, mixing.draw(h, w, &mut random(sequence)));
            let (mut image, other) = (vec![0.0; c * h * w], vec![1.0; c * h * w]);
            mix.apply([c, h, w], &mut image, &other);
            let weight = mix.weight(h, w);
            prop_assert!((0.0..=1.0).contains(&weight));
            let mean = image.iter().sum::<f32>() / image.len() as f32;
            prop_assert!((mean - (1.0 - weight)).abs() < 1e-5, "{} {}", mean, weight);
            let mut target = vec![1.0, 0.0, 0.0];
            super::super::mix(weight, &mut target, &[0.0, 0.0, 1.0]);
            prop_assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6 && target[0] == weight);
        }
    }
}

#[test]
fn partners_are_a_permutation() {
    let mut order = partners(100, &mut random(4));
    assert_eq!(order, partners(100, &mut random(4)));
    assert_ne!(order, partners(100, &mut random(5)));
    order.sort_unstable();
    assert!(order.into_iter().eq(0..100));
}

#[test]
fn different_samples_differ() {
    let image = source(37, 31, 3, "noise");
    for transform in transforms() {
        let result = |sequence| transform.operation().apply(image.clone(), &mut random(sequence)).unwrap();
        let is_fixed = matches!(transform, Transform::Resize(_) | Transform::CenterCrop(_));
        let is_same = (1..20).all(|sequence| result(sequence) == result(0));
        assert_eq!(is_same, is_fixed, "{transform:?}");
    }
}

#[test]
fn list_is_applied_in_order() {
    let image = source(37, 31, 3, "noise");
    let list = Compose(transforms());
    let mut numbers = Random::new(1, Stream::Augmentation, 2);
    let whole = list.apply(image.clone(), &mut numbers.clone()).unwrap();
    let steps = list.0.iter();
    let stepwise = steps.fold(image, |image, step| step.operation().apply(image, &mut numbers).unwrap());
    assert_eq!(whole, stepwise);
    assert_eq!(list.output_size(None), Some([whole.height(), whole.width()]));
}

#[test]
fn too_small_image_is_refused_or_padded() {
    let image = source(20, 40, 3, "noise");
    let apply = |text: &str| parse(text).operation().apply(image.clone(), &mut random(0));
    let error = apply(r#"{"name":"RandomCrop","size":32}"#).unwrap_err();
    assert!(error.is_input(), "{error}");
    assert_eq!(
        error.to_string(),
        "RandomCrop: the image has 20x40 pixels, less than the size 32x32; resize it before, or set pad_if_needed"
    );
    let padded = apply(r#"{"name":"RandomCrop","size":32,"pad_if_needed":true}"#).unwrap();
    assert_eq!((padded.width(), padded.height()), (32, 32));
}

#[test]
fn color_noise_has_the_direction_of_light() {
    let noise = PcaNoise { std: 0.1 };
    let draws: Vec<[f64; 3]> = (0..4000).map(|sequence| noise.draw(&mut random(sequence))).collect();
    let variance = |of: &dyn Fn(&[f64; 3]) -> f64| draws.iter().map(|x| of(x).powi(2)).sum::<f64>() / 4000.0;
    // The first component is nearly gray, with a standard deviation of 0.2175 * 0.1 * 255.
    let gray = variance(&|x| x.iter().sum::<f64>() / 3f64.sqrt()).sqrt();
    assert!((gray / 5.546 - 1.0).abs() < 0.05, "{gray}");
    let red_green = variance(&|x| x[0] - x[1]).sqrt();
    assert!(red_green < 0.1 * gray + 0.5, "{red_green}");
    let gray = source(9, 9, 1, "noise");
    assert_eq!(noise.apply(gray.clone(), &mut random(0)).unwrap(), gray);
}

#[test]
fn erased_pixels_have_the_value_and_others_are_kept() {
    let image = source(40, 30, 3, "dim");
    let erasing =
        RandomErasing { p: 1.0, value: EraseValue::Color(Fill::Color([1, 2, 3])), ..Default::default() };
    for sequence in 0..50 {
        let region = erasing.draw(40, 30, &mut random(sequence)).unwrap();
        let share = (region.width * region.height) as f64 / 1200.0;
        assert!((0.01..0.36).contains(&share), "{region:?}");
        let erased = erasing.apply(image.clone(), &mut random(sequence)).unwrap();
        for (x, y) in (0..30).flat_map(|y| (0..40).map(move |x| (x, y))) {
            let columns = region.left..region.left + region.width;
            let is_inside = columns.contains(&x) && (region.top..region.top + region.height).contains(&y);
            let expected = if is_inside { &[1, 2, 3] } else { image.pixel(x, y) };
            assert_eq!(erased.pixel(x, y), expected);
        }
    }
}
