//! Common claims about these networks, checked by counting.

use striate_tensor::Result;

use super::{Counts, MILESTONES, Milestone};
use striate_tensor::text::grouped;

/// The outcome of checking a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Correct to the last digit stated.
    Exact,
    /// Roughly correct: within seven percentage points of the stated figure.
    Near,
    /// Correct or not depending on the definition: the claim lies between the results of two of them.
    Depends,
    /// Incorrect.
    Wrong,
    /// Correct, but for an ensemble on many views rather than a single network.
    Ensemble,
    /// Not settled by counting; needs an experiment.
    Untested,
}

impl Verdict {
    /// Returns the verdict in a word or two.
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Exact => "exact",
            Verdict::Near => "near",
            Verdict::Depends => "depends",
            Verdict::Wrong => "wrong",
            Verdict::Ensemble => "ensembles",
            Verdict::Untested => "untested",
        }
    }
}

/// A claim with its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The claim.
    pub claim: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// The counted figures.
    pub counted: String,
}

/// Largest deviation of a share that counts as near: seven percentage points.
const NEAR: f64 = 0.07;

/// Outputs of AlexNet's layers as listed in section 3.5 of the paper; the first implies maps of 52.8².
const ALEXNET_NEURONS: [u64; 8] = [253_440, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000];

/// Returns all claims with their verdicts.
///
/// # Errors
/// If a network is invalid.
pub fn claims() -> Result<Vec<Claim>> {
    let lenet = Counts::of("lenet5-1998")?;
    let alexnet = Counts::of("alexnet-2012")?;
    let googlenet = Counts::of("googlenet-2014")?;
    let [vgg16, vgg19] = ["vgg16", "vgg19"].map(Counts::of);
    let mut claims = vec![weight_sharing(), three_by_three(), size_of_lenet(&lenet)];
    claims.extend(of_alexnet(&alexnet));
    claims.push(linear_shares([&alexnet, &vgg16?, &vgg19?]));
    claims.push(size_of_inception(&googlenet, &alexnet));
    claims.push(reported_errors(MILESTONES));
    claims.extend(without_figures());
    Ok(claims)
}

/// Weights for an image of 1000×1000 pixels and as many units.
fn weight_sharing() -> Claim {
    let (pixels, units, window, maps) = (1_000_000u64, 1_000_000u64, 10 * 10u64, 100u64);
    let weights = [pixels * units, units * window, window, maps * window];
    let claimed = [10u64.pow(12), 10u64.pow(8), 100, 10_000];
    Claim {
        claim: "for an image of a million pixels and a million units: 10^12 weights, 10^8 with 10×10 fields, 100 if \
                shared, 10,000 for 100 maps",
        verdict: exactly(weights == claimed),
        counted: format!("{} weights", weights.map(grouped).join(", ")),
    }
}

fn three_by_three() -> Claim {
    let (three, one) = (3 * 3 * 3, 7 * 7);
    Claim {
        claim: "three 3×3 layers have the receptive field of one 7×7 layer with 55 % of its weights",
        verdict: exactly((100 * three + one / 2) / one == 55),
        counted: format!("{three}/{one} = {:.1} %", 100.0 * f64::from(three) / f64::from(one)),
    }
}

fn size_of_lenet(lenet: &Counts) -> Claim {
    Claim {
        claim: "LeNet-5 has 60,000 parameters and 340,908 connections",
        verdict: exactly((lenet.params, lenet.connections) == (60_000, 340_908)),
        counted: format!(
            "{} parameters, {} connections, including biases and subsampling",
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
            counted: format!("{} with grouped convolutions", grouped(alexnet.params)),
        },
        Claim {
            claim: "AlexNet has 630 M connections",
            verdict: by_definition(630, &connections.map(|number| rounded(number, 1_000_000))),
            counted: format!(
                "convolutions: {padded} with padded taps, {inside} without; plus linear layers: {padded_linear} and \
                 {inside_linear}"
            ),
        },
        Claim {
            claim: "AlexNet has 650,000 neurons",
            verdict: by_definition(650, &neurons.map(|number| rounded(number, 1_000))),
            counted: format!(
                "{} with maps of 55×55; {} by the list in the paper",
                grouped(neurons[0]),
                grouped(neurons[1])
            ),
        },
        Claim {
            claim: "each convolution of AlexNet holds less than 1 % of the parameters",
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
        claim: "Inception V1 has 5 M parameters, a twelfth of AlexNet's, and needs 1.5 G operations",
        verdict: exactly((params.round(), ratio.round(), (macs * 10.0).round()) == (5.0, 12.0, 15.0)),
        counted: format!(
            "{} parameters, 1/{ratio:.1} of AlexNet's; {macs:.3} G multiply-adds",
            grouped(googlenet.params)
        ),
    }
}

/// The errors commonly quoted for the winners, and the sizes of their ensembles.
fn reported_errors(line: &[Milestone]) -> Claim {
    let published = |percent: f64| {
        let mut errors = line.iter().flat_map(|milestone| milestone.errors);
        errors.find(|error| error.is_top5() && error.percent == percent)
    };
    let networks: Vec<u32> = [16.4, 15.3, 7.3, 6.67, 4.8, 3.57]
        .into_iter()
        .map(|percent| published(percent).map_or(0, |error| error.networks))
        .collect();
    let are_published = networks.iter().all(|networks| *networks > 0);
    let sizes: Vec<String> = networks.iter().map(u32::to_string).collect();
    Claim {
        claim: "top-5 errors of 16.4, 15.3, 7.3, 6.67, 4.8 and 3.57 % on ImageNet",
        verdict: if are_published { Verdict::Ensemble } else { Verdict::Wrong },
        counted: format!("ensembles of {} networks, on many views of each image", sizes.join(", ")),
    }
}

/// Claims that counting cannot settle.
fn without_figures() -> [Claim; 3] {
    let claim = |claim, verdict, counted: &str| Claim { claim, verdict, counted: counted.into() };
    [
        claim(
            "batch normalization reaches the same accuracy in a fourteenth of the steps",
            Verdict::Untested,
            "can be reproduced at small scale",
        ),
        claim(
            "deeper plain networks have a higher training error, deeper residual networks do not",
            Verdict::Untested,
            "can be reproduced at small scale: plain20 and plain56 against resnet20 and resnet56",
        ),
        claim(
            "receptive fields in the 1860s; LeNet-5 in 1994 or 1997; ResNet 3.46 %; 100M×100M",
            Verdict::Wrong,
            "slips: the 1960s; the paper is from 1998; 3.57 %; 1M×1M",
        ),
    ]
}

fn exactly(holds: bool) -> Verdict {
    if holds { Verdict::Exact } else { Verdict::Wrong }
}

/// Returns `number` in `units`, rounded to the nearest.
fn rounded(number: u64, units: u64) -> u64 {
    (number + units / 2) / units
}

/// Returns the verdict on a claimed figure, given one count per definition.
fn by_definition(claimed: u64, counted: &[u64]) -> Verdict {
    let (below, above) = (|count: &u64| *count <= claimed, |count: &u64| *count >= claimed);
    match counted.iter().all(|count| *count == claimed) {
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
    fn claim_of_several_sizes_needs_each_to_hold() {
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
    fn verdict_depends_only_on_definitions_that_enclose_the_claim() {
        let alexnet = of("alexnet-2012");
        let verdicts = |alexnet: &Counts| {
            let [params, connections, neurons, shares] = &of_alexnet(alexnet)[..] else {
                panic!("expected four claims")
            };
            [params, connections, neurons, shares].map(|claim| claim.verdict)
        };
        let [exact, depends, wrong] = [Verdict::Exact, Verdict::Depends, Verdict::Wrong];
        assert_eq!(verdicts(&alexnet), [exact, depends, depends, wrong]);
        let large = Counts { params: 61_000_000, conv_macs_inside: 631_000_000, ..alexnet.clone() };
        assert_eq!(verdicts(&large), [wrong, wrong, depends, wrong]);
        let few = Counts { neurons: 649_499, conv_shares: vec![("conv1".into(), 0.009)], ..alexnet.clone() };
        assert_eq!(verdicts(&few), [exact, depends, wrong, exact]);
        // A count that rounds to the claimed figure counts as equal.
        assert_eq!(verdicts(&Counts { neurons: 649_500, ..alexnet }), [exact, depends, depends, wrong]);
        assert_eq!(by_definition(630, &[630, 630]), Verdict::Exact);
    }

    #[test]
    fn quoted_errors_are_those_of_ensembles() {
        assert_eq!(reported_errors(MILESTONES).verdict, Verdict::Ensemble);
        assert_eq!(
            reported_errors(MILESTONES).counted,
            "ensembles of 5, 7, 7, 7, 6, 6 networks, on many views of each image"
        );
        assert_eq!(reported_errors(&MILESTONES[..MILESTONES.len() - 1]).verdict, Verdict::Wrong);
    }
}
