//! Transforms match torchvision's on Pillow's images byte by byte. The figures are from
//! `scripts/reference/augment_torchvision.py`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::mixing::rectangle;
use super::super::*;
use super::{random, source};
use crate::{Image, Region};

#[derive(Deserialize)]
struct Figures {
    cases: Vec<Case>,
    tables: Tables,
    elastic: Elastic,
    drawn: Vec<Drawn>,
    mixtures: Mixtures,
}

fn figures() -> Figures {
    serde_json::from_str(include_str!("../../../tests/torchvision.json")).unwrap()
}

#[derive(Debug, Deserialize)]
struct Source {
    size: [usize; 2],
    channels: usize,
    kind: String,
}

impl Source {
    fn image(&self) -> Image {
        source(self.size[0], self.size[1], self.channels, &self.kind)
    }
}

#[derive(Debug, Deserialize)]
struct Case {
    call: String,
    source: Source,
    #[serde(default)]
    amount: f64,
    #[serde(default)]
    interpolation: Interpolation,
    #[serde(default)]
    fill: [u8; 3],
    map: Option<Map>,
    transform: Option<Transform>,
    op: Option<Op>,
    #[serde(default)]
    table: String,
    #[serde(default)]
    bin: usize,
    #[serde(default)]
    sign: f64,
    result: [usize; 2],
    checksum: u64,
    bytes: Option<Vec<u8>>,
}

#[derive(Debug, Deserialize)]
struct Map {
    angle: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
}

/// The sum of all bytes, each times a scrambled function of its place.
fn checksum(image: &Image) -> u64 {
    let place = |at: usize| (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let factor = |place: u64| place ^ place >> 29;
    let bytes = image.pixels().iter().enumerate();
    bytes.fold(0, |sum: u64, (at, byte)| sum.wrapping_add(u64::from(*byte).wrapping_mul(factor(place(at)))))
}

impl Case {
    fn result(&self) -> Image {
        let mut image = self.source.image();
        let in_place = match self.call.as_str() {
            "brightness" => adjust_brightness,
            "contrast" => adjust_contrast,
            "saturation" => adjust_saturation,
            "hue" => adjust_hue,
            "sharpness" => adjust_sharpness,
            "posterize" => |image: &mut Image, bits: f64| posterize(image, bits as u32),
            "solarize" => solarize,
            "autocontrast" => |image: &mut Image, _: f64| autocontrast(image),
            "equalize" => |image: &mut Image, _: f64| equalize(image),
            "rotate" => return rotate(&image, self.amount, self.interpolation, self.fill),
            "affine" => {
                let Map { angle, translate, scale, shear } = *self.map.as_ref().unwrap();
                let map = AffineMap { angle, translate, scale, shear, center: None };
                return map.apply(&image, self.interpolation, self.fill);
            }
            "transform" => {
                let operation = self.transform.as_ref().unwrap().operation();
                operation.check().unwrap();
                return operation.apply(image, &mut random(0)).unwrap();
            }
            "op" => {
                let op = self.op.unwrap();
                let magnitude = self.sign * magnitude(&self.table, op, self.bin, self.source.size);
                return op.apply(image, magnitude, self.interpolation, self.fill);
            }
            other => panic!("{other}"),
        };
        in_place(&mut image, self.amount);
        image
    }
}

fn magnitude(table: &str, op: Op, bin: usize, [width, height]: [usize; 2]) -> f64 {
    let magnitude = match table {
        "TrivialAugmentWide" => TrivialAugmentWide::default().magnitude(op, bin),
        _ => RandAugment { magnitude: bin, ..RandAugment::default() }.magnitude(op, width, height),
    };
    magnitude.unwrap_or(0.0)
}

#[test]
fn pixels_match_torchvision() {
    let mut wrong = Vec::new();
    for case in figures().cases {
        let result = case.result();
        assert_eq!([result.width(), result.height()], case.result, "{case:?}");
        let are_equal = case.bytes.as_ref().is_none_or(|bytes| bytes == result.pixels());
        if !are_equal || checksum(&result) != case.checksum {
            wrong.push(format!("{case:?}: {:?}", &result.pixels()[..result.pixels().len().min(60)]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong, first {}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

#[derive(Deserialize)]
struct Tables {
    size: [usize; 2],
    magnitudes: BTreeMap<String, BTreeMap<String, Option<Vec<f64>>>>,
}

#[test]
fn magnitudes_match_torchvision() {
    let Tables { size, magnitudes } = figures().tables;
    assert_eq!(magnitudes.len(), 2);
    for (table, ops) in magnitudes {
        assert_eq!(ops.len(), OPS.len());
        for (name, expected) in ops {
            let op: Op = serde_json::from_value(name.into()).unwrap();
            for (bin, expected) in expected.unwrap_or_else(|| vec![0.0]).iter().enumerate() {
                assert_eq!(magnitude(&table, op, bin, size) as f32, *expected as f32, "{table} {op:?} {bin}");
            }
        }
    }
}

#[derive(Deserialize)]
struct Elastic {
    fields: Vec<Field>,
    displaced: Vec<Displaced>,
}

#[derive(Deserialize)]
struct Field {
    width: usize,
    sigma: f64,
    values: Vec<f32>,
}

#[derive(Debug, Deserialize)]
struct Displaced {
    source: Source,
    fill: [u8; 3],
    bytes: Vec<u8>,
}

#[test]
fn smooth_fields_match_torchvision() {
    for Field { width, sigma, values } in figures().elastic.fields {
        let mut field: Vec<f32> = (0..values.len()).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        blur(&mut field, width, sigma);
        for (value, expected) in field.iter().zip(&values) {
            assert!((value - expected).abs() < 1e-6, "{value} instead of {expected}, sigma {sigma}");
        }
    }
}

/// Levels that lie exactly halfway between two bytes may differ by one, because PyTorch computes places in units of the
/// image's side, which rounds. These figures have none.
#[test]
fn displaced_pixels_match_torchvision() {
    for case in figures().elastic.displaced {
        let image = case.source.image();
        let shifts = |factor: usize, modulus: usize, middle: f32, divisor: f32| -> Vec<f32> {
            let count = image.width() * image.height();
            (0..count).map(|i| ((i * factor % modulus) as f32 - middle) / divisor).collect()
        };
        let (right, down) = (shifts(37, 101, 50.0, 15.0), shifts(53, 97, 48.0, 7.0));
        let result = displace(&image, &right, &down, case.fill);
        assert_eq!(result.pixels(), case.bytes, "{:?}", case.source);
    }
}

#[derive(Debug, Deserialize)]
struct Drawn {
    sequence: u64,
    size: [usize; 2],
    resized_crop: [usize; 4],
    erasing: Option<[usize; 4]>,
    affine: [f64; 6],
    crop: Option<[isize; 2]>,
}

fn region([left, top, width, height]: [usize; 4]) -> Region {
    Region { left, top, width, height }
}

#[test]
fn drawn_parameters_match_torchvision() {
    let parse = |text: &str| serde_json::from_str::<Transform>(text).unwrap();
    let transforms = [
        r#"{"name":"RandomResizedCrop","size":224}"#,
        r#"{"name":"RandomErasing","p":1}"#,
        r#"{"name":"RandomCrop","size":32,"padding":4}"#,
        r#"{"name":"RandomAffine","degrees":[-10,30],"translate":[0.1,0.3],"scale":[0.5,1.5],"shear":[-5,5,-20,0]}"#,
    ];
    let [
        Transform::RandomResizedCrop(resized),
        Transform::RandomErasing(erasing),
        Transform::RandomCrop(crop),
        Transform::RandomAffine(affine),
    ] = transforms.map(parse)
    else {
        panic!("the names are those of the cases")
    };
    for case in figures().drawn {
        let [width, height] = case.size;
        let draws = || random(case.sequence);
        assert_eq!(resized.draw(width, height, &mut draws()), region(case.resized_crop), "{case:?}");
        assert_eq!(erasing.draw(width, height, &mut draws()), case.erasing.map(region), "{case:?}");
        if let Some(place) = case.crop {
            assert_eq!(crop.draw(width, height, &mut draws()).unwrap(), place, "{case:?}");
        }
        let map = affine.draw(width, height, &mut draws());
        let got = [map.angle, map.translate[0], map.translate[1], map.scale, map.shear[0], map.shear[1]];
        for (got, expected) in got.iter().zip(case.affine) {
            assert!((got - expected).abs() < 1e-9, "{case:?}: {map:?}");
        }
    }
}

#[derive(Deserialize)]
struct Mixtures {
    weight: f32,
    shape: [usize; 3],
    first: Vec<f32>,
    second: Vec<f32>,
    mixed: Vec<f32>,
    rectangles: Vec<Rectangle>,
}

#[derive(Debug, Deserialize)]
struct Rectangle {
    share: f64,
    size: [usize; 2],
    center: [usize; 2],
    region: [usize; 4],
    weight: f32,
}

#[test]
fn mixtures_match_torchvision() {
    let Mixtures { weight, shape, first, second, mixed, rectangles } = figures().mixtures;
    let mut image = first;
    Mix::Mean(weight).apply(shape, &mut image, &second);
    assert_eq!(image, mixed);
    for case in rectangles {
        let cut = rectangle(case.share, case.center, case.size);
        assert_eq!(cut, region(case.region), "{case:?}");
        assert_eq!(Mix::Cut(cut).weight(case.size[1], case.size[0]), case.weight, "{case:?}");
    }
}
