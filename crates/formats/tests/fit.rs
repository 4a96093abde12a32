//! Mapping the weights of files to a network: what is renamed, skipped, replaced, refused.

use striate_formats::{Fitted, Loaded, ReadOptions, Weights, fit, read_weights_with, safetensors_bytes};
use striate_graph::{Builder, Network};
use striate_tensor::{Result, Shape};

mod common;

/// Two convolutions with batch norm, an auxiliary head on the first, three classes.
fn network() -> Network {
    let net = Builder::new("two", [3, 8, 8]);
    let x = net.input().conv(4, 3).named("conv1").batch_norm().named("bn1").relu();
    x.flatten().linear(3).named("aux1.fc").auxiliary(0.3);
    x.conv(5, 3).named("conv2").flatten().linear(3).named("fc").finish().unwrap()
}

fn weights(network: &Network, with_heads: bool) -> Weights {
    let mut variables = network.variables().unwrap();
    if with_heads {
        variables.extend(network.auxiliary_variables().unwrap());
    }
    let tensor = |shape: Shape| (shape.clone(), vec![0.5; shape.numel()]);
    variables.into_iter().map(|(name, shape)| (name, tensor(shape))).collect()
}

fn renamed(weights: &Weights, name: impl Fn(&str) -> String) -> Weights {
    weights.iter().map(|(old, tensor)| (name(old), tensor.clone())).collect()
}

#[test]
fn matching_weights_pass_unchanged() {
    let all = weights(&network(), true);
    assert_eq!(fit(&network(), all.clone()).unwrap(), Fitted { weights: all, replaced: None, notes: vec![] });
}

#[test]
fn network_without_variables_accepts_empty_weights() {
    let network = Builder::new("bare", [3, 8, 8]).input().flatten().finish().unwrap();
    assert_eq!(fit(&network, Weights::new()).unwrap().notes, Vec::<String>::new());
}

/// Prefixes of wrappers, as in checkpoints.
#[test]
fn prefixes_are_removed_if_names_then_match() {
    let all = weights(&network(), true);
    for prefix in [
        "module.",
        "model.",
        "backbone.",
        "encoder.",
        "0.",
        "_orig_mod.",
        "net.",
        "module._orig_mod.",
        "a.b.c.d.",
    ] {
        let mut wrapped = renamed(&all, |name| format!("{prefix}{name}"));
        wrapped.insert(format!("{prefix}bn1.num_batches_tracked"), (Shape::from([]), vec![7.0]));
        wrapped.insert("n_averaged".into(), (Shape::from([]), vec![7.0]));
        let fitted = fit(&network(), wrapped).unwrap_or_else(|e| panic!("{prefix}: {e}"));
        assert_eq!(fitted.weights, all, "{prefix}");
        assert_eq!(fitted.notes, [format!("removed the prefix {prefix}")]);
    }
}

#[test]
fn prefixes_of_some_names_are_removed() {
    let all = weights(&network(), true);
    let split = renamed(&all, |name| match name {
        _ if name.starts_with("fc") => format!("head.{name}"),
        _ if name.starts_with("conv2") => name.to_owned(),
        _ => format!("model.backbone.{name}"),
    });
    let fitted = fit(&network(), split).unwrap();
    assert_eq!(fitted.weights, all);
    assert_eq!(
        fitted.notes,
        [
            "removed the prefix model.backbone. from 8 of 12 names",
            "removed the prefix head. from 2 of 12 names"
        ]
    );
    // A name with another shape does not count if the rest already matches.
    let mut lacking = all.clone();
    lacking.remove("fc.bias");
    lacking.insert("other.fc.bias".into(), (Shape::from([9]), vec![0.0; 9]));
    let line = fit(&network(), lacking).unwrap_err().to_string();
    let advice = "`striate inspect FILE` lists its tensors and the networks that they fit";
    assert_eq!(
        line,
        format!("1 parameter missing, first fc.bias; 1 tensor unexpected: other.fc.bias; {advice}")
    );
}

#[test]
fn trained_weights_are_preferred_to_averaged_ones() {
    let all = weights(&network(), false);
    let mut both = renamed(&all, |name| format!("ema.{name}"));
    both.extend(renamed(&all, |name| format!("trained.{name}")));
    for (name, (_, values)) in &mut both {
        values[0] = if name.starts_with("ema.") { 0.25 } else { 0.75 };
    }
    let folder = common::Folder::new("averaged");
    let path = folder.path().join("weights.bin");
    std::fs::write(&path, safetensors_bytes(&both, Default::default()).unwrap()).unwrap();
    let read = |key: Option<&str>, ignore_unexpected: bool| -> Result<(f32, Vec<String>)> {
        let options =
            ReadOptions { key: key.map(str::to_owned), ignore_unexpected, ..ReadOptions::default() };
        let mut loaded = read_weights_with(&path, &options)?;
        loaded.choose_for(&network())?;
        let Loaded { weights, mut notes, .. } = loaded;
        let fitted = fit(&network(), weights)?;
        notes.extend(fitted.notes);
        Ok((fitted.weights["fc.bias"].1[0], notes))
    };
    let refused = read(None, false).unwrap_err().to_string();
    assert_eq!(
        refused,
        "10 tensors unexpected: ema.bn1.bias, ema.bn1.running_mean, ema.bn1.running_var, ema.bn1.weight, …; \
         use --ignore-unexpected to ignore them"
    );
    let (value, notes) = read(None, true).unwrap();
    assert_eq!(value, 0.75);
    assert!(notes[0].starts_with("ignored 10 unexpected tensors: ema.bn1.bias, "), "{notes:?}");
    let (value, notes) = read(Some("ema"), false).unwrap();
    assert_eq!(
        (value, &notes[..]),
        (0.25, &["auxiliary heads lack 2 tensors, used only in training".to_owned()][..])
    );
    let wrong = read(Some("raw"), false).unwrap_err().to_string();
    assert!(
        wrong.ends_with("weights.bin: has no tensors under --key raw; its keys are ema, trained"),
        "{wrong}"
    );
}

#[test]
fn auxiliary_heads_may_be_absent_or_extra() {
    let fitted = fit(&network(), weights(&network(), false)).unwrap();
    assert_eq!(fitted.weights, weights(&network(), false));
    assert!(fitted.notes[0].contains("2 tensors, used only in training"), "{:?}", fitted.notes);
    let mut plain = network();
    plain = plain.until("fc").unwrap();
    let mut all = weights(&network(), true);
    all.insert("AuxLogits.conv0.weight".into(), (Shape::from([1]), vec![0.0]));
    let fitted = fit(&plain, all).unwrap();
    assert_eq!(fitted.weights, weights(&plain, false));
    assert_eq!(fitted.notes, ["skipped auxiliary heads: AuxLogits, aux1"]);
}

#[test]
fn last_layer_for_other_classes_is_dropped() {
    for with_heads in [true, false] {
        let mut many = network();
        many.set_classes(1000).unwrap();
        let fitted = fit(&network(), weights(&many, with_heads)).unwrap();
        let mut rest = weights(&network(), with_heads);
        rest.retain(|name, _| !name.contains("fc"));
        assert_eq!(fitted.weights, rest);
        let last = fitted.notes.last().unwrap();
        assert!(last.contains("last layer replaced: 3 classes instead of 1,000"), "{last}");
        let head = fitted.replaced.unwrap();
        assert_eq!((head.classes, head.variables.len()), (1000, 4));
        assert!(head.variables.contains(&"fc.bias".into()));
    }
    // Another shape elsewhere is not due to the number of classes.
    let mut all = weights(&network(), true);
    all.insert("conv1.bias".into(), (Shape::from([9]), vec![0.0; 9]));
    let line = fit(&network(), all).unwrap_err().to_string();
    assert!(line.contains("1 tensor of the wrong shape, first conv1.bias [9] instead of [4]"), "{line}");
}

#[test]
fn differences_are_counted_and_named_on_one_line() {
    let mut other = renamed(&weights(&network(), true), |name| name.replace("bn1", "norm\n1"));
    other.insert("fc.bias".into(), (Shape::from([2, 2]), vec![0.0; 4]));
    let error = fit(&network(), other).unwrap_err();
    let expected = "4 parameters missing, first bn1.weight; 4 tensors unexpected: norm 1.bias, norm 1.running_mean, \
                    norm 1.running_var, norm 1.weight; 1 tensor of the wrong shape, first fc.bias [2, 2] instead of [3]; `striate inspect FILE` \
                    lists its tensors and the networks that they fit";
    assert!(error.is_input());
    assert_eq!(error.to_string(), expected);
    let empty = fit(&network(), Weights::new()).unwrap_err().to_string();
    assert_eq!(
        empty,
        "10 parameters missing, first conv1.weight; do they belong to a network other than two?"
    );
}
