//! Weights of files brought to a network: what is renamed, left aside, replaced, refused.

use striate_formats::{Fitted, Weights, fit};
use striate_graph::{Builder, Network};
use striate_tensor::Shape;

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
fn what_fits_passes_without_a_word() {
    let all = weights(&network(), true);
    assert_eq!(fit(&network(), all.clone()).unwrap(), Fitted { weights: all, replaced: None, notes: vec![] });
}

#[test]
fn no_weights_need_no_other_names() {
    let network = Builder::new("bare", [3, 8, 8]).input().flatten().finish().unwrap();
    assert_eq!(fit(&network, Weights::new()).unwrap().notes, Vec::<String>::new());
}

#[test]
fn prefixes_of_wrappers_and_counters_go() {
    let all = weights(&network(), true);
    let mut wrapped = renamed(&all, |name| format!("module._orig_mod.{name}"));
    wrapped.insert("module._orig_mod.bn1.num_batches_tracked".into(), (Shape::from([]), vec![7.0]));
    let fitted = fit(&network(), wrapped).unwrap();
    assert_eq!(fitted.weights, all);
    assert_eq!(fitted.notes.len(), 2, "{:?}", fitted.notes);
    // A prefix that only some names have is part of them.
    let mut some = renamed(&all, |name| format!("module.{name}"));
    some.insert("odd".into(), (Shape::from([1]), vec![0.0]));
    assert!(fit(&network(), some).unwrap_err().to_string().contains("unexpected"));
}

#[test]
fn auxiliary_heads_may_be_absent_or_there_without_need() {
    let fitted = fit(&network(), weights(&network(), false)).unwrap();
    assert_eq!(fitted.weights, weights(&network(), false));
    assert!(fitted.notes[0].contains("2 tensors, which only training needs"), "{:?}", fitted.notes);
    let mut plain = network();
    plain = plain.until("fc").unwrap();
    let mut all = weights(&network(), true);
    all.insert("AuxLogits.conv0.weight".into(), (Shape::from([1]), vec![0.0]));
    let fitted = fit(&plain, all).unwrap();
    assert_eq!(fitted.weights, weights(&plain, false));
    assert_eq!(fitted.notes, ["auxiliary heads left aside: AuxLogits, aux1"]);
}

#[test]
fn a_last_layer_for_other_classes_is_left_out() {
    for with_heads in [true, false] {
        let mut many = network();
        many.set_classes(1000).unwrap();
        let fitted = fit(&network(), weights(&many, with_heads)).unwrap();
        let mut rest = weights(&network(), with_heads);
        rest.retain(|name, _| !name.contains("fc"));
        assert_eq!(fitted.weights, rest);
        let last = fitted.notes.last().unwrap();
        assert!(last.contains("for 3 classes in place of one for 1000"), "{last}");
        let head = fitted.replaced.unwrap();
        assert_eq!((head.classes, head.variables.len()), (1000, 4));
        assert!(head.variables.contains(&"fc.bias".into()));
    }
    // Another shape elsewhere is not a matter of classes.
    let mut all = weights(&network(), true);
    all.insert("conv1.bias".into(), (Shape::from([9]), vec![0.0; 9]));
    let line = fit(&network(), all).unwrap_err().to_string();
    assert!(line.contains("1 of the wrong shape (conv1.bias [9] instead of [4])"), "{line}");
}

#[test]
fn what_does_not_fit_is_counted_and_named_on_one_line() {
    let mut other = renamed(&weights(&network(), true), |name| name.replace("bn1", "norm\n1"));
    other.insert("fc.bias".into(), (Shape::from([2, 2]), vec![0.0; 4]));
    let error = fit(&network(), other).unwrap_err();
    let expected = "the weights are not those of two: 4 missing (bn1.weight, bn1.bias, bn1.running_mean, \
                    bn1.running_var), 4 unexpected (norm 1.bias, norm 1.running_mean, norm 1.running_var, \
                    norm 1.weight), 1 of the wrong shape (fc.bias [2, 2] instead of [3])";
    assert!(error.is_input());
    assert_eq!(error.to_string(), expected);
    let empty = fit(&network(), Weights::new()).unwrap_err().to_string();
    assert!(empty.contains("10 missing (conv1.weight, conv1.bias, bn1.weight, bn1.bias, …)"), "{empty}");
}
