//! Translates between the layer names of Caffe and of torchvision, for networks whose weights were published for Caffe
//! but whose layers are named as in torchvision.

use std::collections::HashMap;

use striate_graph::{Network, Op};

use crate::Weights;

/// Returns the weights of `network` under torchvision's names; `None` if there are none, or if their names are not
/// those of its family in Caffe.
pub(crate) fn as_torchvision(network: &str, weights: &Weights) -> Option<Weights> {
    if weights.is_empty() {
        return None;
    }
    let layers: Vec<&str> = weights.keys().filter_map(|name| Some(name.rsplit_once('.')?.0)).collect();
    let vgg = Vgg::of(&layers);
    let mut renamed = Weights::new();
    for (name, tensor) in weights {
        let (layer, part) = name.rsplit_once('.')?;
        renamed.insert(format!("{}.{part}", torchvision_name(network, &vgg, layer)?), tensor.clone());
    }
    if network.starts_with("resnet") {
        fold_first_bias(&mut renamed);
    }
    (renamed.len() == weights.len() || network.starts_with("resnet")).then_some(renamed)
}

/// Returns Caffe's names by the layer names of `network`; empty if its family was not published for Caffe.
pub(super) fn caffe_names(network: &Network) -> HashMap<String, String> {
    let vgg = Vgg { stages: convolutions_between_pools(network) };
    let theirs = match &network.name[..] {
        name if name.starts_with("vgg") => vgg.layers(),
        name if name.starts_with("resnet") => resnet_layers(name),
        "squeezenet1_1" => squeezenet_layers(),
        _ => Vec::new(),
    };
    let named =
        theirs.into_iter().filter_map(|layer| Some((torchvision_name(&network.name, &vgg, &layer)?, layer)));
    let names: HashMap<String, String> = named.collect();
    let has_weights = |op: &Op| matches!(op, Op::Conv(_) | Op::Linear(_) | Op::BatchNorm(_) | Op::Scale(_));
    let mut layers = network.layers.iter().filter(|layer| has_weights(&layer.op));
    if layers.all(|layer| names.contains_key(&layer.name)) { names } else { HashMap::new() }
}

/// Returns the name of the `Scale` after the batch norm `norm`, following the published names if `norm` is one.
pub(super) fn scale_name(norm: &str, is_published: bool) -> String {
    match norm.strip_prefix("bn").filter(|_| is_published) {
        Some(suffix) => format!("scale{suffix}"),
        None => format!("{norm}/scale"),
    }
}

/// Returns torchvision's name of Caffe's `layer`.
fn torchvision_name(network: &str, vgg: &Vgg, layer: &str) -> Option<String> {
    match network {
        _ if network.starts_with("vgg") => vgg.name(layer),
        _ if network.starts_with("resnet") => resnet(layer),
        "squeezenet1_1" => squeezenet(layer),
        _ => None,
    }
}

/// Returns torchvision's name of the batch norm `layer` of `network`.
pub(super) fn batch_norm_name(network: &str, layer: &str) -> Option<String> {
    if network.starts_with("resnet") { resnet(layer) } else { None }
}

/// VGG: `conv2_1` is the first convolution of the second stage; stages are separated by pools.
struct Vgg {
    /// Number of convolutions in each stage.
    stages: [usize; 5],
}

impl Vgg {
    fn of(layers: &[&str]) -> Vgg {
        let mut stages = [0; 5];
        for (stage, number) in layers.iter().filter_map(|layer| Vgg::position(layer)) {
            stages[stage] = stages[stage].max(number + 1);
        }
        Vgg { stages }
    }

    /// Returns stage and index of a convolution, counted from 0.
    fn position(layer: &str) -> Option<(usize, usize)> {
        let (stage, number) = layer.strip_prefix("conv")?.split_once('_')?;
        let position =
            (stage.parse::<usize>().ok()?.checked_sub(1)?, number.parse::<usize>().ok()?.checked_sub(1)?);
        (position.0 < 5 && position.1 < 4).then_some(position)
    }

    fn layers(&self) -> Vec<String> {
        let stages = self.stages.into_iter().zip(1..);
        let convolutions =
            stages.flat_map(|(count, stage)| (1..=count).map(move |number| format!("conv{stage}_{number}")));
        convolutions.chain(["fc6", "fc7", "fc8"].map(String::from)).collect()
    }

    fn name(&self, layer: &str) -> Option<String> {
        if let Some((stage, number)) = Vgg::position(layer) {
            // Each convolution is followed by a ReLU, each stage by a pool.
            let before: usize = self.stages[..stage].iter().map(|count| 2 * count + 1).sum();
            return Some(format!("features.{}", before + 2 * number));
        }
        let number = match layer {
            "fc6" => 0,
            "fc7" => 3,
            "fc8" => 6,
            _ => return None,
        };
        Some(format!("classifier.{number}"))
    }
}

/// Counts the convolutions in each of the first five stages.
fn convolutions_between_pools(network: &Network) -> [usize; 5] {
    let (mut counts, mut stage) = ([0; 5], 0);
    for layer in &network.layers {
        match layer.op {
            Op::Conv(_) if stage < 5 => counts[stage] += 1,
            Op::MaxPool(_) => stage += 1,
            _ => {}
        }
    }
    counts
}

/// ResNet: `res3b2_branch2c` is the third convolution of a block of the second stage, `bn3b2_branch2c` its
/// batch norm; blocks are numbered `a b c …` or `a b1 b2 …`.
fn resnet(layer: &str) -> Option<String> {
    match layer {
        "conv1" => return Some("conv1".into()),
        "bn_conv1" | "scale_conv1" => return Some("bn1".into()),
        "fc1000" => return Some("fc".into()),
        _ => {}
    }
    let (block, branch) = layer.split_once("_branch")?;
    let (is_norm, block) = match (block.strip_prefix("res"), block.strip_prefix("bn")) {
        (Some(block), _) => (false, block),
        (_, Some(block)) => (true, block),
        _ => return None,
    };
    let (stage, block) = block.split_at_checked(1)?;
    let (letter, number) = block.split_at_checked(1)?;
    let index = match (letter, number) {
        ("b", number) if !number.is_empty() => number.parse::<usize>().ok()?,
        (letter, "") => usize::from(letter.bytes().next()?.checked_sub(b'a')?),
        _ => return None,
    };
    let stage = stage.parse::<usize>().ok()?.checked_sub(1)?;
    let part = match (branch, is_norm) {
        ("1", false) => "downsample.0",
        ("1", true) => "downsample.1",
        ("2a", false) => "conv1",
        ("2a", true) => "bn1",
        ("2b", false) => "conv2",
        ("2b", true) => "bn2",
        ("2c", false) => "conv3",
        ("2c", true) => "bn3",
        _ => return None,
    };
    Some(format!("layer{stage}.{index}.{part}"))
}

/// Returns all names that `resnet` accepts, with blocks named as in the published networks: those in the two long
/// stages of ResNet-101 and ResNet-152 are numbered.
fn resnet_layers(network: &str) -> Vec<String> {
    let is_numbered = network.starts_with("resnet101") || network.starts_with("resnet152");
    let mut layers: Vec<String> = ["conv1", "bn_conv1", "fc1000"].map(String::from).into();
    for stage in 2..=5 {
        let blocks: Vec<String> = match is_numbered && matches!(stage, 3 | 4) {
            true => std::iter::once("a".into()).chain((1..64).map(|number| format!("b{number}"))).collect(),
            false => ('a'..='z').map(String::from).collect(),
        };
        for block in blocks {
            for branch in ["1", "2a", "2b", "2c"] {
                layers.extend(["res", "bn"].map(|kind| format!("{kind}{stage}{block}_branch{branch}")));
            }
        }
    }
    layers
}

/// Folds the bias of the first convolution into the batch norm after it. Only the published ResNet-50 has this bias;
/// subtracting it from the running mean is equivalent.
fn fold_first_bias(weights: &mut Weights) {
    let Some((_, bias)) = weights.remove("conv1.bias") else { return };
    if let Some((_, mean)) = weights.get_mut("bn1.running_mean") {
        mean.iter_mut().zip(bias).for_each(|(mean, bias)| *mean -= bias);
    }
}

/// SqueezeNet 1.1: `fire2` to `fire9`, with pools before 2, 4 and 6.
fn squeezenet(layer: &str) -> Option<String> {
    match layer {
        "conv1" => return Some("features.0".into()),
        "conv10" => return Some("classifier.1".into()),
        _ => {}
    }
    let (number, part) = layer.strip_prefix("fire")?.split_once('/')?;
    let number = match number.parse::<usize>().ok()? {
        number @ 2..=3 => number + 1,
        number @ 4..=5 => number + 2,
        number @ 6..=9 => number + 3,
        _ => return None,
    };
    let part = match part {
        "squeeze1x1" => "squeeze",
        "expand1x1" | "expand3x3" => part,
        _ => return None,
    };
    Some(format!("features.{number}.{part}"))
}

fn squeezenet_layers() -> Vec<String> {
    let parts = ["squeeze1x1", "expand1x1", "expand3x3"];
    let fires = (2..=9).flat_map(|number| parts.map(|part| format!("fire{number}/{part}")));
    fires.chain(["conv1", "conv10"].map(String::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caffe_names_map_to_torchvision_names() {
        for (caffe, torchvision) in [
            ("res2a_branch1", "layer1.0.downsample.0"),
            ("bn2a_branch1", "layer1.0.downsample.1"),
            ("res3d_branch2c", "layer2.3.conv3"),
            ("bn4b22_branch2b", "layer3.22.bn2"),
            ("res5c_branch2a", "layer4.2.conv1"),
        ] {
            assert_eq!(resnet(caffe).as_deref(), Some(torchvision));
        }
        let vgg16 = ["conv1_1", "conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3", "fc6"];
        let vgg = Vgg::of(&vgg16);
        let names: Vec<String> = vgg16.iter().map(|layer| vgg.name(layer).unwrap()).collect();
        let expected = [0, 2, 7, 14, 21, 28].map(|number| format!("features.{number}"));
        assert_eq!((&names[..6], names[6].as_str()), (&expected[..], "classifier.0"));
        assert_eq!(squeezenet("fire5/expand3x3").as_deref(), Some("features.7.expand3x3"));
        assert_eq!(squeezenet("fire9/squeeze1x1").as_deref(), Some("features.12.squeeze"));
        for odd in
            ["res", "res2", "res2a_branch9", "resé_branch1", "bn2bx_branch1", "fire1/squeeze1x1", "fire2"]
        {
            assert!(resnet(odd).is_none() && squeezenet(odd).is_none() && vgg.name(odd).is_none(), "{odd}");
        }
    }
}
