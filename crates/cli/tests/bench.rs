//! The bench verbs measure and print what scripts rely on; what they measure is no test's business.

mod common;

use common::Folder;

#[test]
fn bench_prints_its_fields() {
    let folder = Folder::new("bench");
    let peak = folder.json(&["bench", "peak"]);
    assert!(peak["f32"].as_f64().unwrap() > 0.0 && peak["memory"].as_f64().unwrap() > 0.0);
    assert!(peak["core_to_core"].as_f64().unwrap() > 0.0 && peak["isas"].is_object());
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
    folder.write("some.txt", "# two\nmb1ic3ih8oc5oh4kh3sh2ph1 *3\n\nm12n13k14\n");
    let result = folder.json(&[&["bench", "kernels", "some.txt"][..], &quick].concat());
    assert_eq!(result["problems"].as_array().unwrap().len(), 2);
    assert_eq!(result["problems"][0]["count"], 3);
    for what in ["infer", "train"] {
        let result = folder.json(&[&["bench", what, "lenet5", "--batch", "4"][..], &quick].concat());
        assert!(result["images_per_second"].as_f64().unwrap() > 0.0);
    }
    for (arguments, expected) in [
        (&["bench", "kernels"][..], "takes a problem"),
        (&["bench", "kernels", "mb1ic3"], "missing"),
        (&["bench", "kernels", "mb1xx3"], "unknown field xx"),
        (&["bench", "kernels", "m4n4k4k"], "ends in letters"),
        (&["bench", "kernels", "mb1ic8ih8oc8oh8kh3ph1", "--algorithm", "none"], "the list is"),
        (&["bench", "infer", "lenet"], "did you mean lenet5?"),
        (&["bench", "infer", "lenet5", "--batch", "0"], "--batch"),
    ] {
        let line = folder.refusal(arguments);
        assert!(line.contains(expected), "{arguments:?}: {line}");
    }
}
