//! Checkpoints of PyTorch training scripts: notes, refusals and advice.

mod common;

use common::Folder;
use serde_json::Value;

/// The network of `scripts/reference/pth_pytorch.py`, without its `scale`.
const NETWORK: &str = r#"
name = "net"
input = [1, 8, 8]
layers = [
    { name = "conv1", op = "conv", out_channels = 2, kernel_size = 3, bias = false },
    { name = "bn1", op = "batch_norm" },
    { name = "pool", op = "global_average_pool" },
    { name = "flat", op = "flatten" },
    { name = "blocks.1", op = "linear", out_features = 2 },
]
"#;

/// The file called `name` in `scripts/reference/pth_pytorch.py`.
fn file_of_pytorch(name: &str) -> Vec<u8> {
    let files: Value = serde_json::from_str(include_str!("../../formats/tests/pytorch.json")).unwrap();
    let case = files["read"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    let pairs = case["file"].as_str().unwrap().as_bytes().as_chunks::<2>().0.iter();
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn checkpoints_of_training_scripts_load_unmodified() {
    let folder = Folder::new("checkpoints");
    folder.write("net.toml", NETWORK);
    for (name, note) in [
        ("imagenet zip", "using the state dict \"state_dict\""),
        ("imagenet legacy", "removed the prefix module."),
        ("references zip", "model_ema also fits: --key model_ema selects it"),
        ("timm zip", "state_dict_ema also fits: --key state_dict_ema selects it"),
        ("lightning legacy", "removed the prefix model."),
        ("beside zip", "using the state dict \"found.0.weights\""),
        ("whole-module legacy-protocol5", "ignored 1 unexpected tensor: scale"),
        ("whole-parallel legacy", "using the state dict \"net\""),
    ] {
        folder.write("model_best.pth.tar", file_of_pytorch(name));
        let convert = ["convert", "model_best.pth.tar", "out.safetensors", "--model", "net.toml"];
        let output = folder.run(&[&convert[..], &["--ignore-unexpected", "--tensors-only"]].concat());
        let notes = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && notes.contains(note), "{name}: {notes}");
        let line = folder.refusal(&convert);
        assert!(line.contains("1 tensor unexpected: ") && line.contains("use --ignore-unexpected"), "{line}");
    }
    folder.write("references.pth", file_of_pytorch("references zip"));
    let with_key = |key: &str| {
        let convert = ["convert", "references.pth", "out.safetensors", "--model", "net.toml"];
        folder.run(&[&convert[..], &["--ignore-unexpected", "--key", key]].concat())
    };
    assert!(with_key("model_ema").status.success());
    let line = common::refused(&with_key("optimizer.state.1"), "another dictionary");
    assert!(line.contains("references.pth: 7 parameters missing, first conv1.weight"), "{line}");
    assert!(line.contains("the file's state dict is under \"model\": use --key model"), "{line}");
    let line = common::refused(&with_key("ema"), "no such key");
    assert!(
        line.contains("references.pth: has no tensors under --key ema; its keys are model, model_ema, "),
        "{line}"
    );
}
