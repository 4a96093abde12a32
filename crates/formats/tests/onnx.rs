//! ONNX files made by these tests: external weights, and exports that are read back. Hostile files are in
//! `crates/hostile`.

use std::fs;

use striate_formats::{onnx_bytes, read_onnx, read_onnx_bytes};
use striate_graph::{Builder, Network, Padding, concat};
use striate_testkit::onnx::{external, model, node};

#[test]
fn external_weights_must_be_in_the_folder_of_the_model() {
    let root = std::env::temp_dir().join(format!("striate-onnx-{}", std::process::id()));
    let folder = root.join("model");
    fs::create_dir_all(&folder).unwrap();
    fs::write(root.join("secret.bin"), [0; 64]).unwrap();
    fs::write(folder.join("w.bin"), [0; 20]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("secret.bin"), folder.join("link.bin")).unwrap();
    let absolute = root.join("secret.bin").to_str().unwrap().to_owned();
    let refusals: &[(&[(&str, &str)], &str)] = &[
        (&[("location", "../secret.bin")], "is outside the model's folder"),
        (&[("location", "a/../../secret.bin")], "is outside the model's folder"),
        (&[("location", &absolute)], "is outside the model's folder"),
        #[cfg(unix)]
        (&[("location", "link.bin")], "is outside the model's folder"),
        (&[("location", "nothere.bin")], "nothere.bin"),
        (&[("location", ".")], "not a file"),
        (&[("location", "")], "is outside"),
        (&[("offset", "0")], "no location"),
        (&[("location", "w.bin"), ("offset", "-1")], "offset -1 is not a number"),
        (&[("location", "w.bin"), ("offset", "8")], "past the end"),
        (&[("location", "w.bin"), ("offset", "18446744073709551615")], "past the end"),
        (&[("location", "w.bin"), ("length", "99")], "99 bytes are stated, but 16 are needed"),
    ];
    let path = folder.join("model.onnx");
    let file = |entries: &[(&str, &str)]| {
        let tensor = external("w", &[2, 2], entries);
        model(&[2], &[node("MatMul", &["x", "w"], "y", &[])], &[tensor]).bytes
    };
    let error = read_onnx_bytes(&file(&[("location", "w.bin")]), "in memory", 1 << 20).unwrap_err();
    assert!(
        error.is_input() && error.to_string().contains("has external data, which cannot be read from memory"),
        "{error}"
    );
    for (entries, expected) in refusals {
        fs::write(&path, file(entries)).unwrap();
        let error = read_onnx(&path).map(|_| ()).expect_err(expected);
        assert!(error.is_input() && error.to_string().contains(expected), "{entries:?}: {error}");
    }
    fs::write(&path, file(&[("location", "w.bin"), ("offset", "4"), ("length", "16")])).unwrap();
    assert_eq!(read_onnx(&path).unwrap().network.classes().unwrap(), 2);
    fs::remove_dir_all(root).unwrap();
}

/// Exported files are read back as networks with the same layers, shapes and weights.
#[test]
fn exported_networks_can_be_imported() {
    let net = Builder::new("small", [3, 9, 8]);
    let x = net.input().conv(4, 3).pad(1).named("first").batch_norm().relu();
    let y = x.conv(4, 1).relu6();
    read_back(&(x + y).max_pool(3, 2).ceil().flatten().dropout(0.3).linear(5).softmax().finish().unwrap());

    let net = Builder::new("volumes", [2, 5, 6, 7]);
    let x = net.input().conv(4, 3).pad(1).groups(2).batch_norm().relu();
    let uneven = Padding { front: 1, bottom: 2, right: 1, ..Padding::default() };
    let y = x.conv(4, (1, 3, 2)).stride((1, 2, 1)).dilation((1, 1, 2)).pad(uneven).max_pool(2, 1).dilation(2);
    let y = y.average_pool((2, 1, 3), (1, 2, 3)).pad((1, 0, 1)).exclude_padding().ceil();
    read_back(
        &concat([y.global_average_pool(), x.global_average_pool()]).flatten().linear(3).finish().unwrap(),
    );
}

/// Layers have the names that the export would generate for a clip, and the next ones.
#[test]
fn generated_onnx_names_do_not_clash_with_layer_names() {
    let net = Builder::new("names", [3, 4, 4]);
    let x = net.input().relu6().named("c").tanh().named("c/min").relu6().named("c_2");
    let x = x.relu().named("c/max").flatten().dropout(0.5).named("fc");
    read_back(&x.linear(2).named("fc/ratio").finish().unwrap());
}

fn read_back(network: &Network) {
    let weights = network
        .variables()
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let values = (0..shape.numel()).map(|i| i as f32 + 1.0).collect();
            (name, (shape, values))
        })
        .collect();
    let again = read_onnx_bytes(&onnx_bytes(network, &weights).unwrap(), "small", 1 << 20).unwrap();
    let ops = |network: &Network| network.layers.iter().map(|layer| layer.op.clone()).collect::<Vec<_>>();
    assert_eq!(ops(&again.network), ops(network));
    assert_eq!(again.weights.values().collect::<Vec<_>>(), weights.values().collect::<Vec<_>>());
}
