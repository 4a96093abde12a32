//! Small data sets, small versions of the networks, and temporary run folders.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use striate_data::{Dataset, Pixels, Split, Survey};
use striate_engine::Cpu;
use striate_graph::{Network, Op};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream};
use striate_train::{RunPath, Settings, Trainer};
use striate_vision::Preprocessing;

/// A folder that is removed at the end of the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("striate-train-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn run(&self, name: &str) -> RunPath {
        RunPath::Folder(self.path(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Noisy stripes: the classes are horizontal, vertical and diagonal stripes, each with its own tint.
pub fn stripes(images: usize, classes: usize, shape: [usize; 3]) -> Split {
    let [c, h, w] = shape;
    let mut random = Random::new(3, Stream::Other, 0);
    let mut bytes = Vec::with_capacity(images * c * h * w);
    let labels: Vec<i64> = (0..images).map(|index| (index % classes) as i64).collect();
    for label in &labels {
        let (frequency, phase) = (random.between(0.5, 0.9), random.between(0.0, 6.0));
        for channel in 0..c as i64 {
            let tint = if c > 1 && channel == *label { 50.0 } else { 0.0 };
            let (middle, height) = (random.between(80.0, 140.0) + tint, random.between(25.0, 50.0));
            for i in 0..h * w {
                let (x, y) = ((i % w) as f32, (i / w) as f32);
                let along = [y, x, 0.7 * (x + y)][*label as usize];
                let wave = (frequency * along + phase).sin();
                bytes.push((middle + height * wave + random.between(-15.0, 15.0)) as u8);
            }
        }
    }
    Split { shape, pixels: Pixels::Bytes(bytes), labels, files: None }
}

/// A data set of stripes without parts.
pub fn dataset(images: usize, classes: usize, shape: [usize; 3]) -> Dataset {
    let train = stripes(images, classes, shape);
    let (mean, std) = train.moments().unwrap();
    let form = Preprocessing { channels: shape[0], steps: vec![], mean, std, features: None };
    Dataset {
        name: "stripes".into(),
        classes: (0..classes).map(|class| format!("class{class}")).collect(),
        train,
        validation: None,
        test: None,
        preprocessing: Some(form.clone()),
        predict: Some(form),
        encoding: None,
        survey: Survey::default(),
    }
}

/// The image size for a network: as small as its structure permits.
fn side(name: &str) -> usize {
    match name {
        "inception-v3" => 299, // Its auxiliary head needs maps of 17×17.
        "googlenet" | "googlenet-2014" => 128,
        _ if name.starts_with("inception") => 107,
        "alexnet-2012" | "nin" => 99,
        _ => 64,
    }
}

/// The network `name` with a quarter of its channels (no fewer than 8) and a sixteenth of its hidden units, on
/// small images.
pub fn reduced(name: &str) -> Network {
    let mut network = (striate_models::find(name).unwrap().build)().unwrap();
    let is_small = network.input[1] <= 32;
    // At a quarter of their width, SqueezeNet's modules hardly learn in three epochs.
    let part = if name.starts_with("squeezenet") { 2 } else { 4 };
    let narrow = |channels: usize| if channels > 8 { (channels / part).max(8) } else { channels };
    for layer in network.layers.iter_mut().filter(|_| !is_small) {
        match &mut layer.op {
            Op::Conv(conv) if conv.groups == 1 => conv.out_channels = narrow(conv.out_channels),
            // Depthwise, or two groups as in AlexNet.
            Op::Conv(conv) if conv.groups > 2 => {
                let each = conv.out_channels / conv.groups;
                conv.groups = narrow(conv.groups);
                conv.out_channels = conv.groups * each;
            }
            Op::Conv(conv) => conv.out_channels = narrow(conv.out_channels),
            Op::Linear(linear) => linear.out_features = (linear.out_features / 16).max(10),
            _ => {}
        }
    }
    network.set_classes(10).unwrap();
    let side = match name {
        // Without shortcuts, 56 layers learn too little on smaller images.
        "lenet5" | "lenet5-1998" | "plain56" => 32,
        "lenet1" => 28,
        _ if is_small => 16,
        _ => side(name),
    };
    network.input = match network.takes_signals() {
        true => Shape::from([network.input[0], 640]),
        false => Shape::from([network.input[0], side, side]),
    };
    network
}

/// A run of `network` under `settings` on `dataset` in the folder `out`.
pub fn trainer(
    settings: Settings,
    network: Network,
    dataset: Dataset,
    threads: usize,
    out: &Path,
) -> Trainer {
    let out = RunPath::Folder(out.to_owned());
    Trainer::create(settings, network, dataset, None, Cpu::new(threads).unwrap(), &out).unwrap()
}

/// The training losses of a run's epochs.
pub fn losses(run: &Path) -> Vec<f64> {
    let columns = striate_train::read_metrics(run).unwrap();
    let (_, points) = columns.into_iter().find(|(name, _)| name == "train_loss").unwrap();
    points.into_iter().map(|(_, loss)| loss).collect()
}
