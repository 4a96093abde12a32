//! The output of the bench verbs, on which scripts rely; the measured values are not tested.

mod common;

use common::Folder;
use striate_tensor::{Shape, npy};

#[test]
fn bench_prints_documented_fields() {
    let folder = Folder::new("bench");
    let peak = folder.json(&["bench", "peak"]);
    assert!(peak["f32"].as_f64().unwrap() > 0.0 && peak["memory"].as_f64().unwrap() > 0.0);
    assert!(peak["core_to_core"].as_f64().unwrap() > 0.0 && peak["isas"].is_object());
    for region in ["region_us", "region_after_gap_us", "region_all_us", "region_all_after_gap_us"] {
        let cost = &peak[region];
        let expected = if peak["threads"] == 1 { cost.is_null() } else { cost.as_f64().unwrap() > 0.0 };
        assert!(expected, "{region} {cost}");
    }
    assert!(folder.json(&["bench", "peak", "--threads", "1"])["region_us"].is_null());
    let quick = ["--seconds", "0.02"];
    for direction in ["forward", "data", "weights"] {
        let problem = ["bench", "kernels", "mb2ic8ih9oc16oh9kh3ph1n\"small\"", "--direction", direction];
        let result = folder.json(&[&problem[..], &quick].concat());
        assert_eq!(result["rounds"].as_array().unwrap().len(), 5);
        assert!(
            result["gflops"].as_f64().unwrap() > 0.0 && result["percent_of_peak"].as_f64().unwrap() > 0.0
        );
        assert!(result["algorithm"].as_str().unwrap().contains("conv"));
    }
    folder.write("some.txt", "# two\nmb1ic3ih8oc5oh4kh3sh2ph1n\"first\" *3\n\nm12n13k14\n");
    let result = folder.json(&[&["bench", "kernels", "some.txt"][..], &quick].concat());
    assert_eq!(result["problems"].as_array().unwrap().len(), 2);
    assert_eq!(result["problems"][0]["count"], 3);
    assert_eq!(result["problems"][0]["name"], "first");
    let seconds = |value: &serde_json::Value| value["seconds"].as_f64().unwrap();
    let sum = 3.0 * seconds(&result["problems"][0]) + seconds(&result["problems"][1]);
    let total = &result["total"];
    assert!((seconds(total) / sum - 1.0).abs() < 1e-9);
    let operations = 2.0 * (3 * (5 * 4 * 4 * 27) + 12 * 13 * 14) as f64;
    assert!((total["gflops"].as_f64().unwrap() * sum * 1e9 / operations - 1.0).abs() < 1e-9);
    assert!(total["percent_of_peak"].as_f64().unwrap() > 0.0);
    let output = folder.run(&[&["bench", "kernels", "some.txt"][..], &quick].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(lines[2].starts_with("first") && lines.last().unwrap().starts_with("total"), "{text}");
    for what in ["infer", "train"] {
        let result = folder.json(&[&["bench", what, "lenet5", "--batch", "4"][..], &quick].concat());
        assert!(result["images_per_second"].as_f64().unwrap() > 0.0);
    }
    let output =
        folder.run(&[&["bench", "infer", "lenet5", "--batch", "4", "--threads", "1"][..], &quick].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("lenet5 at batch size 4: ") && text.contains("(1 thread, "), "{text}");
    for (arguments, expected) in [
        (&["bench", "kernels"][..], "needs a problem"),
        (&["bench", "kernels", "mb1ic3"], "missing"),
        (&["bench", "kernels", "mb1xx3"], "unknown field xx"),
        (&["bench", "kernels", "m4n4k4k"], "the last field has no number"),
        (&["bench", "kernels", "missing.txt"], "missing.txt: file not found"),
        (&["bench", "kernels", "mb1ic8ih8oc8oh8kh3ph1", "--algorithm", "none"], "available: "),
        (&["bench", "kernels", "m4n4k4", "--algorithm", "none"], "--algorithm applies only to convolutions"),
        (&["bench", "kernels", "m4n4k4", "--direction", "data"], "--direction applies only to convolutions"),
        (&["bench", "kernels", "m4n4k4", "m5n4k4", "--batch", "3"], "m4n4k4 is a matrix product"),
        (&["bench", "infer", "lenet"], "did you mean lenet5?"),
        (&["bench", "infer", "lenet5", "--algorithm", "gemm_f32"], "applies only to bench kernels; omit it"),
        (&["bench", "train", "lenet5", "--direction", "weights"], "applies only to bench kernels; omit it"),
        (&["bench", "train", "lenet5", "--precision", "bf16"], "bf16 is only for inference"),
        (&["bench", "peak", "--precision", "f32"], "applies only to bench kernels, bench infer, bench train"),
        (&["bench", "infer", "lenet5", "--precision", "bf16"], "has no effect on lenet5"),
        (&["bench", "infer", "lenet5", "--precision", "tf32"], "only GPUs multiply these numbers"),
        (&["bench", "infer", "lenet5", "--precision", "f16"], "must be f32, tf32 or bf16"),
        (&["bench", "kernels", "m4n4k4", "--precision", "bf16"], "--precision applies only to convolutions"),
        (&["bench", "peak", "--direction", "forward"], "applies only to bench kernels; omit it"),
        (&["bench", "infer", "lenet5", "--batch", "0"], "--batch"),
        (&["bench", "kernels", "m4n4k4", "--seconds", "nan"], "from 0 to 3600"),
        (&["bench", "kernels", "m4n4k4", "--seconds=-1"], "from 0 to 3600"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
    // In a mixed list, flags for convolutions do not affect matrix products.
    let options = ["--direction", "weights", "--batch", "2"];
    let result = folder.json(&[&["bench", "kernels", "some.txt"][..], &options, &quick].concat());
    assert_eq!(result["problems"][1]["algorithm"], "gemm_f32");
}

/// Each size is within its limit, but their products overflow.
#[test]
fn overflowing_products_of_sizes_are_refused() {
    let folder = Folder::new("bench-sizes");
    let most = 1 << 20;
    let maps = format!("mb{most}ic{most}ih{most}iw{most}oc8oh1kh1");
    // With four bytes per element, the size in bytes would wrap around to zero.
    let wrapped = format!("mb{most}ic{most}ih{most}iw4oc8oh1kh1");
    let kernels = format!("ic8ih1oc8oh1kh{most}dh{}", most - 1);
    let halo = format!("ic16ih1oc16oh1kh3dh{most}");
    for problem in [&maps, &wrapped, &kernels, &halo] {
        for direction in ["forward", "data", "weights"] {
            let line = folder.refusal(&["bench", "kernels", problem, "--direction", direction]);
            assert!(line.contains(&format!("problem {problem}: too large")), "{line}");
        }
    }
    // It is refused before the other problem is measured, which would take an hour.
    folder.refusal(&["bench", "kernels", "m4n4k4", &maps, "--seconds", "720"]);
}

#[test]
fn precision_selects_the_numbers_that_convolutions_multiply() {
    let folder = Folder::new("bench-precision");
    let quick = ["--seconds", "0.02"];
    let problem = ["bench", "kernels", "mb1ic32ih9oc32oh9kh3ph1", "--precision"];
    for (precision, algorithm) in [("f32", "f32"), ("bf16", "conv_direct_bf16")] {
        let result = folder.json(&[&problem[..], &[precision], &quick].concat());
        assert!(result["algorithm"].as_str().unwrap().ends_with(algorithm), "{result}");
    }
    let line = folder.refusal(&[&problem[..], &["bf16", "--direction", "data"]].concat());
    assert!(line.contains("has only the forward direction; use --direction forward"), "{line}");
    let result = folder.json(&[&["bench", "infer", "resnet20", "--precision", "bf16"][..], &quick].concat());
    assert_eq!(result["precision"], "bf16");
    folder.json(&[&["bench", "train", "lenet5", "--precision", "f32"][..], &quick].concat());
}

#[test]
fn run_in_bf16_gives_nearly_the_results_of_f32() {
    let folder = Folder::new("run-precision");
    let input: Vec<f32> = (0..3 * 32 * 32).map(|i| (i % 17) as f32 / 17.0).collect();
    folder.write("x.npy", npy::bytes(&Shape::from([1, 3, 32, 32]), &input));
    let run = |precision: &str| {
        folder.json(&["run", "resnet20", "--input", "x.npy", "--output", "y.npy", "--precision", precision]);
        npy::read(&folder.path("y.npy")).unwrap().to_f32().unwrap()
    };
    let (exact, rounded) = (run("f32"), run("bf16"));
    let largest = exact.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let differences = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs());
    let error = differences.fold(0.0, f32::max) / largest;
    assert!((1e-5..3e-2).contains(&error), "{error}: {exact:?} {rounded:?}");
}
