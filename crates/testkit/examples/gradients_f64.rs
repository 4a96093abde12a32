//! Computes the gradients of one training step in f64, with the naive kernels, and writes them to files:
//!
//! ```sh
//! cargo run --release -p striate-testkit --example gradients_f64 -- net.toml weights.pth images.npy labels.npy FOLDER
//! ```
//!
//! The network is given in its text form (`striate inspect NAME --text`), without auxiliary heads; weights in any file
//! that `striate` reads; images are `[N, C, H, W]` f32, labels `[N]` i64. Each gradient is written in plain order as
//! f64 to `FOLDER/PARAMETER.npy`; the loss is printed. `scripts/reference/networks_pytorch.py` compares them with
//! PyTorch's.

use std::error::Error;
use std::path::Path;

use striate_formats::{fit, read_weights};
use striate_graph::{Network, Optimizer, TrainingSpec, training_graph};
use striate_tensor::npy;
use striate_testkit::{Interpreter, Values};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, weights, images, labels, folder] = &arguments[..] else {
        return Err("expected arguments: net.toml, weights, images.npy, labels.npy and a folder".into());
    };
    let network = Network::from_text(&std::fs::read_to_string(network)?)?;
    let (images, labels) = (npy::read(Path::new(images))?, npy::read(Path::new(labels))?);
    let fitted = fit(&network, read_weights(Path::new(weights))?.weights)?;
    if let Some(head) = fitted.replaced {
        return Err(format!("the weights are for another number of classes: {head:?}").into());
    }
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let mut given: Values =
        fitted.weights.into_iter().map(|(name, (_, values))| (name, wide(values))).collect();
    given.insert("input".into(), wide(images.to_f32()?));
    given.insert("labels".into(), labels.to_i64()?.into_iter().map(|label| label as f64).collect());

    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let graph = training_graph(&network.graph_for(&images.shape)?, &TrainingSpec::new(sgd))?;
    let run = Interpreter::run(&graph, &given);
    println!("{}", run.output(0)[0]);
    std::fs::create_dir_all(folder)?;
    for (parameter, gradient) in &graph.gradients {
        let path = Path::new(folder).join(format!("{}.npy", graph.value(*parameter).name));
        npy::write(&path, graph.shape(*parameter), run.get(&graph.value(*gradient).name))?;
    }
    Ok(())
}
