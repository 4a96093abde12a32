//! Gradients of class scores with respect to the input and to intermediate values, at inference: against finite
//! differences in f64, at every stage of compilation, and on every device.

use std::sync::Arc;

use striate_engine::passes::{Disabled, all_names, run_neutral};
use striate_engine::{Cpu, Device, Inference, Isa, Reference, Variables};
use striate_gpu::Gpu;
use striate_graph::{Graph, INPUT, Kind, Network, Role, ScoreGradients, score_gradients};
use striate_testkit::{Emulator, Interpreter, Values, each_of, missing_data, networks};

const BATCH: usize = 2;

/// Step size of the differences.
const STEP: f64 = 1e-5;

/// The names of the input and of all layers before the scores.
fn wanted(network: &Network, graph: &Graph) -> Vec<String> {
    let scores = score_gradients(graph, &[INPUT]).unwrap().scores;
    let layers = network.layers.iter().map(|layer| layer.name.clone()).take_while(|name| *name != scores);
    // Stored values depend on nothing, and auxiliary heads are left out in inference.
    let is_computed =
        |name: &String| graph.nodes.iter().any(|node| node.name == *name && node.op.name() != "constant");
    let computed = layers.filter(is_computed);
    std::iter::once(INPUT.to_owned()).chain(computed).collect()
}

fn derived(network: &Network, wanted: &[String]) -> ScoreGradients {
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    score_gradients(&network.graph(BATCH).unwrap(), &wanted).unwrap()
}

/// The network's variables, an input, and a direction that differs in every element.
fn given(network: &Network, graph: &Graph) -> Values {
    let mut given = networks::variables(network);
    let rounded = |x: f64| f64::from(x as f32);
    given.insert(INPUT.into(), networks::images(network, BATCH).into_iter().map(rounded).collect());
    let count = graph.shape(*graph.inputs.last().unwrap()).numel();
    given.insert("direction".into(), (0..count).map(|i| [1.0, -0.5, 0.25][i % 3]).collect());
    given
}

/// The forward computation in which the value `name` is given.
fn cut(graph: &Graph, name: &str) -> Graph {
    let mut graph = graph.clone();
    let id = graph.find(name).unwrap();
    graph.values[id.0].kind = Kind::Input;
    graph.nodes.retain(|node| !node.outputs.contains(&id));
    graph
}

#[test]
fn gradients_of_scores_match_finite_differences() {
    each_of(&networks::all(), 2, |network| {
        let graph = network.graph(BATCH).unwrap();
        let wanted = wanted(network, &graph);
        let ScoreGradients { graph: backward, scores } = derived(network, &wanted);
        let given = given(network, &backward);
        let run = Interpreter::run(&backward, &given);
        let mut output = 1;
        let (mut checked, mut kinks) = (0, 0);
        for name in &wanted {
            let value = given.get(name).cloned().unwrap_or_else(|| run.get(name).to_vec());
            output += usize::from(name != INPUT);
            let gradient = run.output(output);
            output += 1;
            let forward = cut(&graph, name);
            let total = |offset: f64, i: usize| {
                let mut moved = given.clone();
                moved.insert(name.clone(), value.clone());
                moved.get_mut(name).unwrap()[i] += offset;
                let run = Interpreter::run(&forward, &moved);
                run.get(&scores).iter().zip(&given["direction"]).map(|(a, b)| a * b).sum::<f64>()
            };
            let center = total(0.0, 0);
            for (i, got) in gradient.iter().enumerate().step_by(1 + gradient.len() / 12) {
                let (above, below) = (total(STEP, i), total(-STEP, i));
                let expected = (above - below) / (2.0 * STEP);
                let scale = expected.abs().max(got.abs()).max(1e-2);
                if ((above - center) - (center - below)).abs() / STEP > 1e-2 * scale {
                    kinks += 1;
                    continue;
                }
                let place = format!("{}, {name}[{i}]", network.name);
                assert!((got - expected).abs() <= 1e-6 * scale.max(1.0), "{place}: {got}, not {expected}");
                checked += 1;
            }
        }
        // Behind a ReLU, many maxima are ties between zeros.
        assert!(kinks * 4 <= checked, "{}: {kinks} kinks, {checked} elements checked", network.name);
    });
}

/// The processors of every instruction set, with all passes and with each one disabled in turn, and the other devices.
fn devices() -> Vec<(String, Arc<dyn Device>)> {
    let mut all: Vec<(String, Arc<dyn Device>)> = vec![("reference".into(), Reference::default().into())];
    for isa in Isa::available() {
        all.push((format!("{isa}"), Cpu::with_isa(2, isa).into()));
        let without = |pass| Cpu::with_isa(1, isa).without(Disabled::new([pass]).unwrap()).into();
        all.extend(all_names().into_iter().map(|pass| (format!("{isa} without {pass}"), without(pass))));
    }
    match Emulator::get() {
        Some([emulator, _]) => all.push(("emulated GPU".into(), Arc::new(Gpu::new(emulator)))),
        None => missing_data("kernels of the GPU", "no C++ compiler"),
    }
    all
}

fn close(got: &[f64], expected: &[f64], tolerance: f64, place: &str) {
    assert_eq!(got.len(), expected.len(), "{place}");
    let largest = expected.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance * largest, "{place}[{i}]: {got}, not {expected}");
    }
}

#[test]
fn gradients_of_scores_are_the_same_on_every_device() {
    each_of(&networks::all(), 2, |network| {
        let graph = network.graph(BATCH).unwrap();
        let all = wanted(network, &graph);
        // All at once, which keeps most operations apart, and a middle layer with the input.
        let middle = vec![all[all.len() / 2].clone(), INPUT.to_owned()];
        for wanted in [&all, &middle] {
            let ScoreGradients { graph: raw, .. } = derived(network, wanted);
            let given = given(network, &raw);
            let expected = Interpreter::run(&raw, &given);
            let mut simplified = raw.clone();
            run_neutral(&mut simplified, &Disabled::none());
            for isa in Isa::available() {
                let [fused, laid_out] = Cpu::with_isa(1, isa).stages(simplified.clone()).unwrap();
                for (stage, graph) in
                    [("simplified", &simplified), ("fused", &fused), ("laid out", &laid_out)]
                {
                    let run = Interpreter::run(graph, &given);
                    for index in 0..raw.outputs.len() {
                        let place = format!("{} {stage} on {isa}, output {index}", network.name);
                        close(run.output(index), expected.output(index), 1e-9, &place);
                    }
                }
            }
            let floats = |name: &str| given[name].iter().map(|x| *x as f32).collect::<Vec<f32>>();
            let weights: Variables = raw
                .variables(Role::Parameter)
                .chain(raw.variables(Role::Buffer))
                .map(|(_, value)| (value.name.clone(), (value.shape.clone(), floats(&value.name))))
                .collect();
            for (name, device) in devices() {
                let place = format!("{} on {name}", network.name);
                let inference = Inference::new(network.clone(), &weights, device).unwrap();
                let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
                let sensitivity = inference.sensitivity(&network.input_shape(BATCH), &names).unwrap();
                let (output, found) = sensitivity.run(&floats(INPUT), &floats("direction")).unwrap();
                let values = found.iter().flat_map(|one| [&one.value, &one.gradient]);
                let values = std::iter::once(&output).chain(values.filter(|values| !values.is_empty()));
                for (index, values) in values.enumerate() {
                    let values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
                    close(&values, expected.output(index), 1e-4, &format!("{place}, output {index}"));
                }
            }
        }
    });
}

#[test]
fn unknown_and_unsuitable_layers_are_refused() {
    let network = networks::all().into_iter().find(|network| network.name == "flat").unwrap();
    let graph = network.graph(1).unwrap();
    for (name, expected) in [("nothing", "no layer nothing"), ("linear3", "is the scores themselves")] {
        let error = score_gradients(&graph, &[name]).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(expected), "{error}");
    }
}
