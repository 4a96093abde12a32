//! What is often said of these networks, and what honest counting gives.

use striate_tensor::Result;

use super::Counts;

/// How a claim fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Right to the last digit given.
    Exact,
    /// Roughly right.
    Near,
    /// Right or wrong by the definition.
    Depends,
    /// Wrong.
    Wrong,
    /// Right, but of several networks with many views, not of one.
    Several,
    /// Only an experiment can tell.
    Experiment,
}

impl Verdict {
    /// The verdict in a word or two.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Exact => "exact",
            Verdict::Near => "near",
            Verdict::Depends => "depends",
            Verdict::Wrong => "wrong",
            Verdict::Several => "several networks",
            Verdict::Experiment => "an experiment",
        }
    }
}

/// A claim with its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is said.
    pub claim: &'static str,
    /// How it fares.
    pub verdict: Verdict,
    /// What counting gives.
    pub counted: String,
}

/// Outputs of AlexNet's layers as its paper lists them in section 3.5; the first belongs to 52.8² maps.
const ALEXNET_NEURONS: [u64; 8] = [253_440, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000];

/// All claims.
///
/// # Errors
/// If a network is faulty.
pub fn claims() -> Result<Vec<Claim>> {
    let lenet = Counts::of("lenet5-1998")?;
    let alexnet = Counts::of("alexnet-2012")?;
    let googlenet = Counts::of("googlenet-2014")?;
    let [vgg16, vgg19] = ["vgg16", "vgg19"].map(Counts::of);
    let (vgg16, vgg19) = (vgg16?, vgg19?);
    let mut claims = vec![weight_sharing(), three_by_three()];
    claims.push(Claim {
        claim: "LeNet-5 has 60,000 parameters and 340,908 connections",
        verdict: exactly((lenet.params, lenet.connections) == (60_000, 340_908)),
        counted: format!(
            "{} parameters, {} connections, biases and subsampling included",
            grouped(lenet.params),
            grouped(lenet.connections)
        ),
    });
    claims.extend(of_alexnet(&alexnet));
    let percents = [&alexnet, &vgg16, &vgg19].map(|counts| format!("{:.1} %", counts.linear_params * 100.0));
    claims.push(Claim {
        claim: "fully connected layers hold about 90 % of the parameters of AlexNet and VGG",
        verdict: Verdict::Near,
        counted: format!("AlexNet {}, VGG-16 {}, VGG-19 {}", percents[0], percents[1], percents[2]),
    });
    claims.push(Claim {
        claim: "Inception V1 has 5 M parameters, a twelfth of AlexNet's, and takes 1.5 G operations",
        verdict: Verdict::Wrong,
        counted: format!(
            "{} parameters, 1/{:.1} of AlexNet's; {:.3} G multiply-adds",
            grouped(googlenet.params),
            alexnet.params as f64 / googlenet.params as f64,
            googlenet.macs as f64 / 1e9
        ),
    });
    claims.extend(without_graphs());
    Ok(claims)
}

/// Arithmetic on an image of 1000×1000 and as many units.
fn weight_sharing() -> Claim {
    let (pixels, units, window, maps) = (1_000_000u64, 1_000_000u64, 10 * 10u64, 100u64);
    let weights = [pixels * units, units * window, window, maps * window];
    let said = [10u64.pow(12), 10u64.pow(8), 100, 10_000];
    Claim {
        claim: "an image of a million pixels and a million units: 10^12 weights, 10^8 with 10×10 fields, 100 when \
                shared, 10,000 for 100 maps",
        verdict: exactly(weights == said),
        counted: format!("{} weights", weights.map(grouped).join(", ")),
    }
}

fn three_by_three() -> Claim {
    let (three, one) = (3 * 3 * 3, 7 * 7);
    Claim {
        claim: "three layers of 3×3 see what one of 7×7 sees, with 55 % of its weights",
        verdict: exactly((100 * three + one / 2) / one == 55),
        counted: format!("{three}/{one} = {:.1} %", 100.0 * f64::from(three) / f64::from(one)),
    }
}

fn of_alexnet(alexnet: &Counts) -> Vec<Claim> {
    let linear = alexnet.macs - alexnet.conv_macs;
    let millions = |number: u64| format!("{:.1} M", number as f64 / 1e6);
    let shares: Vec<String> =
        alexnet.conv_shares.iter().map(|(_, share)| format!("{:.2}", share * 100.0)).collect();
    let all_small = alexnet.conv_shares.iter().all(|(_, share)| *share < 0.01);
    vec![
        Claim {
            claim: "AlexNet has 60 M parameters",
            verdict: exactly(alexnet.params / 1_000_000 == 60),
            counted: format!("{} with two groups", grouped(alexnet.params)),
        },
        Claim {
            claim: "AlexNet has 630 M connections",
            verdict: Verdict::Depends,
            counted: format!(
                "convolutions {} with padded taps, {} without; with linear layers {} and {}",
                millions(alexnet.conv_macs),
                millions(alexnet.conv_macs_inside),
                millions(alexnet.macs),
                millions(alexnet.conv_macs_inside + linear)
            ),
        },
        Claim {
            claim: "AlexNet has 650,000 neurons",
            verdict: Verdict::Depends,
            counted: format!(
                "{} with maps of 55×55; {} by the paper's own list",
                grouped(alexnet.neurons),
                grouped(ALEXNET_NEURONS.iter().sum())
            ),
        },
        Claim {
            claim: "no convolution of AlexNet holds 1 % of the parameters",
            verdict: exactly(all_small),
            counted: format!("conv1 to conv5: {} %", shares.join(", ")),
        },
    ]
}

/// Claims that no graph can settle.
fn without_graphs() -> [Claim; 4] {
    let claim = |claim, verdict, counted: &str| Claim { claim, verdict, counted: counted.into() };
    [
        claim(
            "top-5 errors of 16.4, 15.3, 7.3, 6.67, 4.8 and 3.57 % on ImageNet",
            Verdict::Several,
            "means of 5, 7, 7, 7, 6 and 6 networks, on many views of each image",
        ),
        claim(
            "batch normalisation reaches the old accuracy in a fourteenth of the steps",
            Verdict::Experiment,
            "can be repeated at small scale",
        ),
        claim(
            "deeper plain networks have a higher training error, residual ones do not",
            Verdict::Experiment,
            "can be repeated at small scale: plain20 and plain56 against resnet20 and resnet56",
        ),
        claim(
            "receptive fields in the 1860s; LeNet-5 of 1994 or 1997; ResNet 3.46 %; 100M×100M",
            Verdict::Wrong,
            "slips: the 1960s; the paper is of 1998; 3.57 %; 1M×1M",
        ),
    ]
}

fn exactly(holds: bool) -> Verdict {
    if holds { Verdict::Exact } else { Verdict::Wrong }
}

/// 61706 becomes 61,706.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join(",")
}
