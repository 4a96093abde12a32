//! The training graphs of small networks, run in f64, against PyTorch's float64 gradients. The expected values come
//! from `scripts/reference/network_figures_pytorch.py`; `networks_pytorch.py` in the same folder compares all networks.

use serde_json::Value;
use striate_graph::{Network, Op, Optimizer, Role, TrainingSpec, training_graph};
use striate_tensor::Shape;
use striate_testkit::{Interpreter, Values, formula};

const SIDE: usize = 64;
/// The largest difference, relative to the norm of the gradient. Both sides compute in f64; batch norms over few
/// pixels amplify rounding errors.
const TOLERANCE: f64 = 1e-9;
/// Gradients with a smaller norm are zero except for rounding errors.
const ZERO: f64 = 1e-12;

fn network(name: &str) -> Network {
    let mut network = (striate_models::find(name).unwrap().build)().unwrap();
    network.set_classes(10).unwrap();
    network.input = Shape::from([3, SIDE, SIDE]);
    for layer in &mut network.layers {
        if let Op::Dropout(dropout) = &mut layer.op {
            dropout.probability = 0.0;
        }
    }
    network
}

/// Parameters by formula, numbered in the order of their names; running statistics are set to 1, as they have no
/// effect in training.
fn given(network: &Network) -> Values {
    let graph = network.graph(2).unwrap();
    let norms: Vec<&str> =
        graph.nodes.iter().filter(|n| matches!(n.op, Op::BatchNorm(_))).map(|n| n.name.as_str()).collect();
    let mut parameters: Vec<_> = graph.variables(Role::Parameter).map(|(_, value)| value).collect();
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    let mut given = Values::new();
    for (tensor, value) in parameters.into_iter().enumerate() {
        let layer = value.name.strip_suffix(".weight").unwrap_or("");
        let (low, high) = match &value.shape[..] {
            [_, inner @ ..] if !inner.is_empty() => {
                let bound = (6.0 / inner.iter().product::<usize>() as f64).sqrt();
                (-bound, bound)
            }
            _ if norms.contains(&layer) => (0.5, 1.0),
            _ => (-0.1, 0.1),
        };
        given.insert(value.name.clone(), formula::uniform(tensor as u32, value.shape.numel(), low, high));
    }
    for (_, value) in graph.variables(Role::Buffer) {
        given.insert(value.name.clone(), vec![1.0; value.shape.numel()]);
    }
    given.insert("input".into(), formula::uniform(10_000, 2 * 3 * SIDE * SIDE, -1.0, 1.0));
    given.insert("labels".into(), vec![3.0, 8.0]);
    given
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn check_gradient(place: &str, got: &[f64], expected: &Value) {
    let largest = number(&expected["norm"]).max(ZERO / TOLERANCE);
    let close = |got: f64, expected: &Value, what: &str, slack: f64| {
        let error = (got - number(expected)).abs();
        assert!(error <= slack * TOLERANCE * largest, "{place}, {what}: got {got}, expected {expected}");
    };
    close(got.iter().sum(), &expected["sum"], "sum", (got.len() as f64).sqrt());
    close(got.iter().map(|x| x * x).sum::<f64>().sqrt(), &expected["norm"], "norm", 1.0);
    let first = expected["first"].as_array().unwrap();
    assert!(!first.is_empty());
    for (got, expected) in got.iter().zip(first) {
        close(*got, expected, "first elements", 1.0);
    }
}

#[test]
fn network_gradients_match_pytorch() {
    let reference = formula::reference("networks");
    let networks = reference.as_object().unwrap();
    assert_eq!(networks.len(), 3);
    for (name, expected) in networks {
        let network = network(name);
        let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        let graph = training_graph(&network.graph(2).unwrap(), &TrainingSpec::new(sgd)).unwrap();
        let run = Interpreter::run(&graph, &given(&network));
        let (got, loss) = (run.output(0)[0], number(&expected["loss"]));
        assert!((got - loss).abs() <= TOLERANCE * loss, "{name}: got loss {got}, expected {loss}");
        let gradients = expected["gradients"].as_object().unwrap();
        assert_eq!(gradients.len(), graph.gradients.len(), "{name}");
        for (parameter, gradient) in &graph.gradients {
            let parameter = &graph.value(*parameter).name;
            let gradient = run.get(&graph.value(*gradient).name);
            check_gradient(&format!("{name}, {parameter}"), gradient, &gradients[parameter]);
        }
    }
}
