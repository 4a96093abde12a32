//! The reference figures of every network, in one table.

use striate_graph::{Network, Statistics, statistics};

/// A network's figures.
struct Figures {
    name: &'static str,
    /// Trainable parameters without the auxiliary heads.
    params: u64,
    /// Trainable parameters of the auxiliary heads.
    auxiliary: u64,
    /// Multiply-adds for one image.
    macs: u64,
    /// Receptive field, in rows, of an element of the last map before global pooling.
    receptive_field: Option<u64>,
}

const fn figures(name: &'static str, params: u64, macs: u64) -> Figures {
    Figures { name, params, auxiliary: 0, macs, receptive_field: None }
}

const fn with_field(receptive_field: u64, figures: Figures) -> Figures {
    Figures { receptive_field: Some(receptive_field), ..figures }
}

const fn with_heads(auxiliary: u64, figures: Figures) -> Figures {
    Figures { auxiliary, ..figures }
}

/// Networks of torchvision and timm: parameters and multiply-adds as PyTorch counts them in their modules. Other
/// networks, and all receptive fields: computed by hand from the tables in the papers.
const FIGURES: &[Figures] = &[
    figures("perceptron", 2_000 * 10 + 10, 784 * 2_000 + 2_000 * 10),
    figures("perceptron-pixels", 784 * 10 + 10, 784 * 10),
    figures(
        "neocognitron",
        25 * 24 + 2 * 600 * 24 + 3 * 24 + 250,
        624 * 256 + 14_424 * 64 + 14_424 * 4 + 240,
    ),
    with_field(16, figures("lenet1", 2_578, 57_600 + 32_000 + 1_920)),
    with_field(16, figures("lenet5-1998", 60_000, 117_600 + 150_000 + 48_000 + 10_080 + 840)),
    with_field(16, figures("lenet5", 61_706, 117_600 + 240_000 + 48_000 + 10_080 + 840)),
    figures(
        "neocognitron-digits",
        26 * 32 + (9 * 32 + 1) * 200 + (25 * 200 + 1) * 1_500 + 15_010,
        26 * 32 * 256 + (9 * 32 + 1) * 200 * 100 + (25 * 200 + 1) * 1_500 + 15_000,
    ),
    figures("hog-svm", 10 * 36 * 7 * 7 + 10, 10 * 36 * 7 * 7),
    figures("sift-svm", 200 * 129 + 10 * (200 * 21 + 1), 64 * 200 * 128 + 10 * 200 * 21),
    with_field(195, figures("alexnet-2012", 60_965_224, 724_406_816)),
    figures("nin", 7_595_176, 1_100_188_800),
    figures("nin-cifar", 966_986, 222_486_528),
    with_field(195, figures("alexnet", 61_100_840, 714_188_480)),
    with_field(150, figures("vgg11", 132_863_336, 7_609_090_048)),
    with_field(150, figures("vgg11-lrn", 132_863_336, 7_609_090_048)),
    with_field(156, figures("vgg13", 133_047_848, 11_308_466_176)),
    figures("vgg16-c", 133_638_952, 11_770_888_192),
    with_field(212, figures("vgg16", 138_357_544, 15_470_264_320)),
    with_field(268, figures("vgg19", 143_667_240, 19_632_062_464)),
    with_field(150, figures("vgg11-bn", 132_868_840, 7_609_090_048)),
    with_field(156, figures("vgg13-bn", 133_053_736, 11_308_466_176)),
    with_field(212, figures("vgg16-bn", 138_365_992, 15_470_264_320)),
    with_field(268, figures("vgg19-bn", 143_678_248, 19_632_062_464)),
    with_heads(13_378_280 - 6_998_552, figures("googlenet-2014", 6_998_552, 1_582_671_872)),
    with_heads(13_004_888 - 6_624_904, figures("googlenet", 6_624_904, 1_498_376_192)),
    figures("inception-v2", 11_188_224, 1_934_857_216),
    with_heads(27_161_264 - 23_834_568, figures("inception-v3", 23_834_568, 5_713_216_096)),
    with_field(435, figures("plain18", 11_515_688, 1_794_805_760)),
    with_field(899, figures("plain34", 21_623_848, 3_644_493_824)),
    with_field(435, figures("resnet18", 11_689_512, 1_814_073_344)),
    with_field(899, figures("resnet34", 21_797_672, 3_663_761_408)),
    with_field(427, figures("resnet50", 25_557_032, 4_089_184_256)),
    with_field(971, figures("resnet101", 44_549_160, 7_801_405_440)),
    with_field(1451, figures("resnet152", 60_192_808, 11_513_626_624)),
    with_field(483, figures("resnet50-v1", 25_557_032, 3_857_973_248)),
    figures("resnet101-v1", 44_549_160, 7_570_194_432),
    figures("resnet152-v1", 60_192_808, 11_282_415_616),
    figures("plain20", 269_722, 40_551_040),
    figures("plain56", 853_018, 125_485_696),
    figures("resnet20", 269_722, 40_551_040),
    figures("resnet32", 464_154, 68_862_592),
    figures("resnet44", 658_586, 97_174_144),
    figures("resnet56", 853_018, 125_485_696),
    figures("resnet110", 1_727_962, 252_887_680),
    figures("char-cnn", 11_350_030, 370_382_848),
    figures("char-cnn-short", 377_358, 22_250_752),
    figures("inception-v4", 42_679_816, 12_253_974_624),
    figures("inception-resnet-v2", 55_843_464, 13_155_794_016),
    figures("squeezenet1_1", 1_235_496, 349_151_936),
    figures("m5", 558_090, 278_533_120),
    figures("efficientnet-lite0", 4_652_008, 385_187_552),
    figures("panns-cnn6", 4_837_455 - 128, 980_807_168),
    figures("panns-cnn6-quarter", 354_175, 63_290_240),
];

fn network(name: &str) -> Network {
    (striate_models::find(name).unwrap().build)().unwrap()
}

fn counted(name: &str) -> Statistics {
    statistics(&network(name).graph(1).unwrap())
}

fn auxiliary(name: &str) -> u64 {
    let variables = network(name).auxiliary_variables().unwrap();
    let trained = variables.iter().filter(|(name, _)| !name.contains(".running_"));
    trained.map(|(_, shape)| shape.numel() as u64).sum()
}

#[test]
fn every_network_matches_its_figures() {
    let names: Vec<&str> = striate_models::all().iter().map(|model| model.name).collect();
    assert_eq!(names, FIGURES.iter().map(|figures| figures.name).collect::<Vec<_>>());
    for figures in FIGURES {
        let counted = counted(figures.name);
        assert_eq!(counted.params, figures.params, "parameters of {}", figures.name);
        assert_eq!(auxiliary(figures.name), figures.auxiliary, "auxiliary heads of {}", figures.name);
        assert_eq!(counted.cost.macs, figures.macs, "multiply-adds of {}", figures.name);
        let is_map = |shape: &[usize]| shape.len() == 4 && shape[2] > 1;
        let last = counted.layers.iter().rev().find(|layer| is_map(&layer.output));
        let seen = last.map(|layer| layer.receptive_field[1]);
        assert!(
            figures.receptive_field.is_none_or(|field| Some(field) == seen),
            "receptive field of {}: {seen:?}",
            figures.name
        );
    }
}

/// LeCun et al., 1998, section II.B and figure 2.
#[test]
fn lenet5_has_the_papers_shapes_and_receptive_fields() {
    let counted = counted("lenet5");
    let shapes: Vec<String> = counted.layers.iter().map(|layer| layer.output.to_string()).collect();
    assert_eq!(shapes[0], "[1, 6, 28, 28]");
    assert_eq!(shapes[5], "[1, 16, 5, 5]");
    let seen: Vec<u64> = counted.layers.iter().map(|layer| layer.receptive_field[1]).collect();
    assert_eq!(seen, [5, 5, 6, 14, 14, 16, 32, 32, 32, 32, 32, 32]);
}

/// LeCun et al., 1998, section II.B: the connections of each layer, five per subsampling unit.
#[test]
fn lenet5_of_1998_has_the_papers_connections() {
    let counted = counted("lenet5-1998");
    let connections = |layer: &str| -> u64 {
        let own = counted.layers.iter().filter(|other| other.name == layer);
        own.map(|layer| layer.cost.connections).sum()
    };
    let layers = ["C1", "C3", "C5", "F6", "output"].map(connections);
    assert_eq!(layers, [122_304, 151_600, 48_120, 10_164, 840]);
    assert_eq!(counted.cost.connections, 122_304 + 5_880 + 151_600 + 2_000 + 48_120 + 10_164 + 840);
    assert_eq!(counted.cost.connections, 340_908);
}

/// LeCun et al., 1989, section 4: 98,442 connections and 4,635 units, of which one is constant and 784 are pixels.
#[test]
fn lenet1_has_the_papers_units_and_connections() {
    let counted = counted("lenet1");
    assert_eq!(counted.cost.connections, 98_442);
    let units = |layer: &str| counted.layers.iter().find(|other| other.name == layer).unwrap().output.numel();
    let units = ["H1", "H2", "H3", "H4", "output"].map(units);
    assert_eq!(units, [2_304, 576, 768, 192, 10]);
    assert_eq!(units.iter().sum::<usize>() + 784 + 1, 4_635);
}

/// Dai et al., 2017, table 1.
#[test]
fn m5_has_the_papers_lengths() {
    let counted = counted("m5");
    let after = |name: &str| counted.layers.iter().find(|layer| layer.name == name).unwrap().output.to_vec();
    for (layer, shape) in [
        ("conv1", [1, 128, 8_000]),
        ("pool1", [1, 128, 2_000]),
        ("pool2", [1, 128, 500]),
        ("pool3", [1, 256, 125]),
        ("pool4", [1, 512, 32]),
    ] {
        assert_eq!(after(layer), shape, "{layer}");
    }
}

/// Zhang et al., 2015, section 2.3: the convolutions leave (1014 − 96) / 27 = 34 columns.
#[test]
fn char_cnn_has_the_papers_lengths() {
    let counted = counted("char-cnn");
    let after = |name: &str| counted.layers.iter().find(|layer| layer.name == name).unwrap().output.to_vec();
    for (layer, shape) in [
        ("conv1", vec![1, 256, 1_008]),
        ("conv2", vec![1, 256, 330]),
        ("conv6", vec![1, 256, 102]),
        ("flatten", vec![1, 256 * 34]),
        ("fc1", vec![1, 1_024]),
    ] {
        let found = match layer {
            "flatten" => counted.layers.iter().find(|layer| layer.output.len() == 2).unwrap().output.to_vec(),
            layer => after(layer),
        };
        assert_eq!(found, shape, "{layer}");
    }
}

/// The test of TensorFlow's slim expects 10,173,112 values in its Inception V2 without the last layer: weights,
/// biases and, for each batch norm, β, mean and variance.
#[test]
fn inception_v2_has_the_size_of_slims() {
    let variables = network("inception-v2").variables().unwrap();
    let slims =
        variables.iter().filter(|(name, _)| !name.starts_with("Logits") && !name.ends_with("bn.weight"));
    assert_eq!(slims.map(|(_, shape)| shape.numel()).sum::<usize>(), 10_173_112);
}
