//! What is often said of these networks, and what honest counting gives.

use striate_tensor::Result;

use super::counts::grouped;
use super::{Counts, LINE, Station};

/// How a claim fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Right to the last digit given.
    Exact,
    /// Roughly right: within seven points of the percents that are said.
    Near,
    /// Right or wrong by the definition: what is said lies between what two of them give.
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

/// How far a share of about so many percent may be off: seven points.
const NEAR: f64 = 0.07;

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
    let mut claims = vec![weight_sharing(), three_by_three(), size_of_lenet(&lenet)];
    claims.extend(of_alexnet(&alexnet));
    claims.push(linear_shares([&alexnet, &vgg16?, &vgg19?]));
    claims.push(size_of_inception(&googlenet, &alexnet));
    claims.push(told_errors(LINE));
    claims.extend(without_figures());
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

fn size_of_lenet(lenet: &Counts) -> Claim {
    Claim {
        claim: "LeNet-5 has 60,000 parameters and 340,908 connections",
        verdict: exactly((lenet.params, lenet.connections) == (60_000, 340_908)),
        counted: format!(
            "{} parameters, {} connections, biases and subsampling included",
            grouped(lenet.params),
            grouped(lenet.connections)
        ),
    }
}

fn of_alexnet(alexnet: &Counts) -> Vec<Claim> {
    let linear = alexnet.macs - alexnet.conv_macs;
    let connections =
        [alexnet.conv_macs, alexnet.conv_macs_inside, alexnet.macs, alexnet.conv_macs_inside + linear];
    let [padded, inside, padded_linear, inside_linear] =
        connections.map(|number| format!("{:.1} M", number as f64 / 1e6));
    let neurons = [alexnet.neurons, ALEXNET_NEURONS.iter().sum()];
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
            verdict: by_definition(630, &connections.map(|number| rounded(number, 1_000_000))),
            counted: format!(
                "convolutions {padded} with padded taps, {inside} without; with linear layers {padded_linear} and \
                 {inside_linear}"
            ),
        },
        Claim {
            claim: "AlexNet has 650,000 neurons",
            verdict: by_definition(650, &neurons.map(|number| rounded(number, 1_000))),
            counted: format!(
                "{} with maps of 55×55; {} by the paper's own list",
                grouped(neurons[0]),
                grouped(neurons[1])
            ),
        },
        Claim {
            claim: "no convolution of AlexNet holds 1 % of the parameters",
            verdict: exactly(all_small),
            counted: format!("conv1 to conv5: {} %", shares.join(", ")),
        },
    ]
}

/// AlexNet, VGG-16 and VGG-19.
fn linear_shares(networks: [&Counts; 3]) -> Claim {
    let shares = networks.map(|counts| counts.linear_params);
    let is_near = shares.iter().all(|share| (share - 0.9).abs() <= NEAR);
    let [alexnet, vgg16, vgg19] = shares.map(|share| format!("{:.1} %", share * 100.0));
    Claim {
        claim: "fully connected layers hold about 90 % of the parameters of AlexNet and VGG",
        verdict: if is_near { Verdict::Near } else { Verdict::Wrong },
        counted: format!("AlexNet {alexnet}, VGG-16 {vgg16}, VGG-19 {vgg19}"),
    }
}

fn size_of_inception(googlenet: &Counts, alexnet: &Counts) -> Claim {
    let ratio = alexnet.params as f64 / googlenet.params as f64;
    let [params, macs] = [googlenet.params as f64 / 1e6, googlenet.macs as f64 / 1e9];
    Claim {
        claim: "Inception V1 has 5 M parameters, a twelfth of AlexNet's, and takes 1.5 G operations",
        verdict: exactly((params.round(), ratio.round(), (macs * 10.0).round()) == (5.0, 12.0, 15.0)),
        counted: format!(
            "{} parameters, 1/{ratio:.1} of AlexNet's; {macs:.3} G multiply-adds",
            grouped(googlenet.params)
        ),
    }
}

/// The errors by which the winners are told, and how many networks voted.
fn told_errors(line: &[Station]) -> Claim {
    let published = |percent: f64| {
        let mut errors = line.iter().flat_map(|station| station.errors);
        errors.find(|error| error.is_top5() && error.percent == percent)
    };
    let networks: Vec<u32> = [16.4, 15.3, 7.3, 6.67, 4.8, 3.57]
        .into_iter()
        .map(|percent| published(percent).map_or(0, |error| error.networks))
        .collect();
    let are_published = networks.iter().all(|networks| *networks > 0);
    let voted: Vec<String> = networks.iter().map(u32::to_string).collect();
    Claim {
        claim: "top-5 errors of 16.4, 15.3, 7.3, 6.67, 4.8 and 3.57 % on ImageNet",
        verdict: if are_published { Verdict::Several } else { Verdict::Wrong },
        counted: format!("means of {} networks, on many views of each image", voted.join(", ")),
    }
}

/// Claims that no figure can settle.
fn without_figures() -> [Claim; 3] {
    let claim = |claim, verdict, counted: &str| Claim { claim, verdict, counted: counted.into() };
    [
        claim(
            "batch normalization reaches the old accuracy in a fourteenth of the steps",
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

/// `number` in whole `units`, to the nearest.
fn rounded(number: u64, units: u64) -> u64 {
    (number + units / 2) / units
}

/// What becomes of a figure that `counted` gives by one definition each.
fn by_definition(said: u64, counted: &[u64]) -> Verdict {
    let (below, above) = (|count: &u64| *count <= said, |count: &u64| *count >= said);
    match counted.iter().all(|count| *count == said) {
        true => Verdict::Exact,
        false if counted.iter().any(below) && counted.iter().any(above) => Verdict::Depends,
        false => Verdict::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Counts {
        Counts::of(name).unwrap()
    }

    #[test]
    fn linear_shares_are_near_within_seven_points() {
        let (alexnet, vgg) = (of("alexnet-2012"), of("vgg16"));
        let verdict = |share| {
            let other = Counts { linear_params: share, ..vgg.clone() };
            linear_shares([&alexnet, &vgg, &other]).verdict
        };
        assert_eq!([0.831, 0.969].map(verdict), [Verdict::Near; 2]);
        assert_eq!([0.829, 0.971].map(verdict), [Verdict::Wrong; 2]);
    }

    #[test]
    fn a_claim_of_sizes_needs_every_size() {
        let (alexnet, googlenet) = (of("alexnet-2012"), of("googlenet-2014"));
        let small = Counts { params: 5_080_435, macs: 1_500_000_000, ..googlenet };
        let verdict = |googlenet: &Counts| size_of_inception(googlenet, &alexnet).verdict;
        assert_eq!(verdict(&small), Verdict::Exact);
        assert_eq!(verdict(&Counts { params: 5_800_000, ..small.clone() }), Verdict::Wrong);
        assert_eq!(verdict(&Counts { params: 4_600_000, ..small.clone() }), Verdict::Wrong);
        assert_eq!(verdict(&Counts { macs: 1_600_000_000, ..small }), Verdict::Wrong);
        let lenet = of("lenet5-1998");
        assert_eq!(size_of_lenet(&lenet).verdict, Verdict::Exact);
        assert_eq!(size_of_lenet(&Counts { params: 60_001, ..lenet }).verdict, Verdict::Wrong);
    }

    #[test]
    fn definitions_decide_only_what_lies_between_them() {
        let alexnet = of("alexnet-2012");
        let verdicts = |alexnet: &Counts| {
            let [params, connections, neurons, shares] = &of_alexnet(alexnet)[..] else {
                panic!("four claims")
            };
            [params, connections, neurons, shares].map(|claim| claim.verdict)
        };
        let [exact, depends, wrong] = [Verdict::Exact, Verdict::Depends, Verdict::Wrong];
        assert_eq!(verdicts(&alexnet), [exact, depends, depends, wrong]);
        let large = Counts { params: 61_000_000, conv_macs_inside: 631_000_000, ..alexnet.clone() };
        assert_eq!(verdicts(&large), [wrong, wrong, depends, wrong]);
        let few = Counts { neurons: 649_499, conv_shares: vec![("conv1".into(), 0.009)], ..alexnet.clone() };
        assert_eq!(verdicts(&few), [exact, depends, wrong, exact]);
        // What rounds to the figure reaches it.
        assert_eq!(verdicts(&Counts { neurons: 649_500, ..alexnet }), [exact, depends, depends, wrong]);
        assert_eq!(by_definition(630, &[630, 630]), Verdict::Exact);
    }

    #[test]
    fn errors_that_are_told_are_votes() {
        assert_eq!(told_errors(LINE).verdict, Verdict::Several);
        assert_eq!(
            told_errors(LINE).counted,
            "means of 5, 7, 7, 7, 6, 6 networks, on many views of each image"
        );
        assert_eq!(told_errors(&LINE[..LINE.len() - 1]).verdict, Verdict::Wrong);
    }
}
