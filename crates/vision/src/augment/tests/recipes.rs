//! Lists of transforms as recipes contain them.

use super::super::*;

fn parse(text: &str) -> Result<Transform, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

#[test]
fn every_transform_is_read_with_defaults_and_written_again() {
    for name in Transform::NAMES {
        let required = match name {
            "Resize" | "CenterCrop" | "RandomCrop" | "RandomResizedCrop" => r#","size":24"#,
            "RandomResize" => r#","min_size":256,"max_size":512"#,
            "RandomRotation" | "RandomAffine" => r#","degrees":10"#,
            _ => "",
        };
        let transform = parse(&format!(r#"{{"name":"{name}"{required}}}"#)).unwrap();
        transform.operation().check().unwrap();
        let text = serde_json::to_string(&transform).unwrap();
        assert!(text.starts_with(&format!(r#"{{"name":"{name}""#)), "{text}");
        assert_eq!(parse(&text).unwrap(), transform);
        let unknown = parse(&format!(r#"{{"name":"{name}","colour":1{required}}}"#)).unwrap_err();
        assert!(unknown.contains("unknown field `colour`"), "{name}: {unknown}");
    }
    assert!(parse(r#"{"name":"RandomCorp","size":3}"#).unwrap_err().contains("RandomCrop"));
}

#[test]
fn parameters_are_written_as_for_torchvision() {
    for text in [
        r#"{"name":"Resize","size":[4,5],"interpolation":"bicubic"}"#,
        r#"{"name":"RandomCrop","size":32,"padding":4,"pad_if_needed":true,"fill":[1,2,3]}"#,
        r#"{"name":"RandomCrop","size":32,"padding":[4,2],"pad_if_needed":false,"fill":128}"#,
        r#"{"name":"RandomCrop","size":32,"padding":[4,2,0,1],"pad_if_needed":false,"fill":0}"#,
        r#"{"name":"ColorJitter","brightness":0.4,"contrast":[0.5,1.5],"saturation":0.0,"hue":[-0.1,0.1]}"#,
        r#"{"name":"RandomAffine","degrees":5.0,"shear":3.0,"interpolation":"bilinear","fill":0}"#,
        r#"{"name":"RandomAffine","degrees":5.0,"shear":[-3.0,4.0],"interpolation":"nearest","fill":0}"#,
        r#"{"name":"RandomAffine","degrees":[1.0,5.0],"shear":[1.0,2.0,3.0,4.0],"interpolation":"nearest","fill":0}"#,
        r#"{"name":"RandomErasing","p":1.0,"scale":[0.1,0.2],"ratio":[1.0,1.0],"value":"random"}"#,
        r#"{"name":"RandomErasing","p":1.0,"scale":[0.1,0.2],"ratio":[1.0,1.0],"value":[124,116,104]}"#,
    ] {
        let transform = parse(text).unwrap();
        transform.operation().check().unwrap();
        assert_eq!(serde_json::to_string(&transform).unwrap(), text);
    }
    for (text, expected) in [
        (r#"{"name":"MixUp","alpha":0.2}"#, Mixing::MixUp { alpha: 0.2 }),
        (r#"{"name":"CutMix"}"#, Mixing::CutMix { alpha: 1.0 }),
    ] {
        assert_eq!(serde_json::from_str::<Mixing>(text).unwrap(), expected);
    }
}

/// The message names the transform and the field.
#[test]
fn invalid_parameters_are_refused() {
    for (text, expected) in [
        (r#"{"name":"Resize","size":0}"#, "Resize: size"),
        (r#"{"name":"CenterCrop","size":[16384,8192]}"#, "CenterCrop: size"),
        (r#"{"name":"RandomCrop","size":20000}"#, "RandomCrop: size"),
        (r#"{"name":"RandomCrop","size":32,"padding":[0,20000]}"#, "RandomCrop: padding"),
        (r#"{"name":"RandomResize","min_size":0,"max_size":3}"#, "RandomResize: min_size"),
        (r#"{"name":"RandomResize","min_size":5,"max_size":4}"#, "RandomResize: max_size"),
        (r#"{"name":"RandomResize","min_size":5,"max_size":16384}"#, "RandomResize: max_size"),
        (r#"{"name":"RandomResizedCrop","size":8,"scale":[0.5,0.1]}"#, "RandomResizedCrop: scale"),
        (r#"{"name":"RandomResizedCrop","size":8,"scale":[0,0]}"#, "RandomResizedCrop: scale"),
        (r#"{"name":"RandomResizedCrop","size":8,"scale":[0,1.1]}"#, "RandomResizedCrop: scale"),
        (r#"{"name":"RandomResizedCrop","size":8,"ratio":[0,1]}"#, "RandomResizedCrop: ratio"),
        (r#"{"name":"RandomHorizontalFlip","p":1.5}"#, "RandomHorizontalFlip: p"),
        (r#"{"name":"RandomVerticalFlip","p":-1}"#, "RandomVerticalFlip: p"),
        (r#"{"name":"ColorJitter","brightness":-1}"#, "ColorJitter: brightness"),
        (r#"{"name":"ColorJitter","contrast":[-1,1]}"#, "ColorJitter: contrast"),
        (r#"{"name":"ColorJitter","saturation":1e9}"#, "ColorJitter: saturation"),
        (r#"{"name":"ColorJitter","hue":0.6}"#, "ColorJitter: hue"),
        (r#"{"name":"PcaNoise","std":-1}"#, "PcaNoise: std"),
        (r#"{"name":"RandomRotation","degrees":-5}"#, "RandomRotation: degrees"),
        (r#"{"name":"RandomRotation","degrees":[5,-5]}"#, "RandomRotation: degrees"),
        (r#"{"name":"RandomAffine","degrees":361}"#, "RandomAffine: degrees"),
        (r#"{"name":"RandomAffine","degrees":0,"translate":[0,2]}"#, "RandomAffine: translate"),
        (r#"{"name":"RandomAffine","degrees":0,"scale":[0,1]}"#, "RandomAffine: scale"),
        (r#"{"name":"RandomAffine","degrees":0,"shear":90}"#, "RandomAffine: shear"),
        (r#"{"name":"RandomAffine","degrees":0,"shear":[0,1,-90,0]}"#, "RandomAffine: shear"),
        (r#"{"name":"ElasticTransform","alpha":-1}"#, "ElasticTransform: alpha"),
        (r#"{"name":"ElasticTransform","sigma":65}"#, "ElasticTransform: sigma"),
        (r#"{"name":"RandomErasing","p":-0.1}"#, "RandomErasing: p"),
        (r#"{"name":"RandomErasing","scale":[0,2]}"#, "RandomErasing: scale"),
        (r#"{"name":"RandomErasing","ratio":[3,0.3]}"#, "RandomErasing: ratio"),
        (r#"{"name":"TrivialAugmentWide","num_magnitude_bins":1}"#, "TrivialAugmentWide: num_magnitude_bins"),
        (r#"{"name":"RandAugment","magnitude":31}"#, "RandAugment: magnitude"),
        (r#"{"name":"RandAugment","num_ops":17}"#, "RandAugment: num_ops"),
    ] {
        let error = parse(text).unwrap().operation().check().unwrap_err();
        assert!(error.is_input() && error.to_string().starts_with(expected), "{text}: {error}");
    }
    for text in [r#"{"name":"MixUp","alpha":0}"#, r#"{"name":"CutMix","alpha":-1}"#] {
        let error = serde_json::from_str::<Mixing>(text).unwrap().check().unwrap_err().to_string();
        assert!(error.contains(": alpha must be"), "{error}");
    }
    let many = Compose(vec![Transform::RandomHorizontalFlip(RandomHorizontalFlip::default()); 33]);
    assert!(many.check().unwrap_err().is_input());
}

#[test]
fn wrong_types_are_reported_with_what_is_expected() {
    for (text, expected) in [
        (r#"{"name":"Resize","size":"x"}"#, "a number of pixels or [height, width]"),
        (r#"{"name":"Resize","size":[1,2,3]}"#, "a number of pixels or [height, width]"),
        (r#"{"name":"RandomCrop","size":3,"padding":[1,2,3]}"#, "a number of pixels or a list of 2 or 4"),
        (r#"{"name":"RandomCrop","size":3,"fill":256}"#, "a number from 0 to 255 or [red, green, blue]"),
        (r#"{"name":"RandomRotation","degrees":"x"}"#, "a number or [low, high]"),
        (r#"{"name":"RandomErasing","value":"noise"}"#, "[red, green, blue] or \"random\""),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
