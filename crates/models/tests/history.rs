//! The milestones and the claims, checked against depths in the papers and figures counted by hand.

use striate_models::history::{Counts, MILESTONES, Verdict, claims};

#[test]
fn milestones_are_ordered_and_their_networks_exist() {
    assert!(MILESTONES.is_sorted_by_key(|milestone| milestone.year));
    assert_eq!((MILESTONES[0].year, MILESTONES[MILESTONES.len() - 1].year), (1957, 2015));
    for milestone in MILESTONES {
        milestone.counts().unwrap();
        assert!(milestone.errors.iter().all(|error| error.percent > 0.0 && error.networks > 0));
    }
}

/// Single networks before ensembles, fewest views first; the best of a single network as in the papers' tables.
#[test]
fn errors_are_ordered_and_include_the_best_single_network() {
    for milestone in MILESTONES {
        let of =
            |is_single: bool| milestone.errors.iter().filter(move |error| (error.networks == 1) == is_single);
        assert!(of(true).chain(of(false)).eq(milestone.errors), "{}", milestone.name);
        assert!(milestone.errors.iter().all(|error| error.task == milestone.errors[0].task));
        for is_single in [true, false] {
            assert!(of(is_single).is_sorted_by(|a, b| a.percent > b.percent), "{}", milestone.name);
        }
    }
    for (name, fewest, lowest) in [
        ("AlexNet", (18.2, "10 views"), (16.6, "10 views")),
        ("VGG", (8.0, "one scale, dense"), (7.1, "several scales, crops and dense")),
        ("GoogLeNet", (10.07, "1 view"), (7.89, "144 views")),
        ("Inception V2", (7.8, "1 view"), (5.82, "144 views")),
        ("Inception V3", (5.6, "1 view"), (4.2, "144 views")),
        ("ResNet", (6.7, "1 view"), (4.49, "several scales")),
    ] {
        let milestone = MILESTONES.iter().find(|milestone| milestone.name == name).unwrap();
        let [first, best] = [milestone.fewest_views(), milestone.lowest_errors().0].map(Option::unwrap);
        assert!(first.is_top5() && best.is_top5(), "{name}");
        assert_eq!((first.percent, first.views()), fewest, "{name}");
        assert_eq!((best.percent, best.views()), lowest, "{name}");
    }
    let resnet = MILESTONES.last().unwrap();
    assert!(resnet.errors.iter().any(|error| error.percent == 5.71 && error.how == "10 views"));
}

/// A published error is listed next to the size of the network that achieves it.
#[test]
fn counted_networks_match_the_published_errors() {
    let milestone = MILESTONES.iter().find(|milestone| milestone.name == "Network in network").unwrap();
    assert_eq!(milestone.errors[0].task, "CIFAR-10");
    assert_eq!(milestone.counts().unwrap().unwrap().params, 966_986);
}

/// The depth in each network's name or paper.
#[test]
fn depths_match_the_papers() {
    for (name, depth) in
        [("alexnet-2012", 8), ("vgg19", 19), ("googlenet-2014", 22), ("resnet152-v1", 152), ("plain34", 34)]
    {
        assert_eq!(Counts::of(name).unwrap().depth, depth, "{name}");
    }
}

#[test]
fn alexnet_matches_counts_by_hand() {
    let counts = Counts::of("alexnet-2012").unwrap();
    let millions = |number: u64| (number as f64 / 1e5).round() / 10.0;
    assert_eq!(millions(counts.conv_macs), 665.8);
    assert_eq!(millions(counts.conv_macs_inside), 612.7);
    assert_eq!(millions(counts.macs), 724.4);
    assert_eq!(counts.neurons, 659_272);
}

/// LeNet-5's F6; slim's last layer, a convolution of a 1×1 map; none ahead of global average pooling.
#[test]
fn linear_layers_are_recognized_in_every_form() {
    for (name, linear, all) in
        [("lenet5-1998", 10_164.0, 60_000.0), ("inception-v2", 1_025_000.0, 11_188_224.0), ("nin", 0.0, 1.0)]
    {
        assert_eq!(Counts::of(name).unwrap().linear_params, linear / all, "{name}");
    }
}

#[test]
fn claims_have_the_expected_verdicts() {
    let claims = claims().unwrap();
    let of = |start: &str| claims.iter().find(|claim| claim.claim.starts_with(start)).unwrap();
    for (start, verdict, counted) in [
        ("for an image of a million", Verdict::Exact, "1,000,000,000,000"),
        ("three 3×3 layers", Verdict::Exact, "55.1 %"),
        ("LeNet-5 has", Verdict::Exact, "340,908"),
        ("AlexNet has 60 M", Verdict::Exact, "60,965,224"),
        ("AlexNet has 630 M", Verdict::Depends, "671.3 M"),
        ("AlexNet has 650,000", Verdict::Depends, "622,312"),
        ("each convolution of AlexNet", Verdict::Wrong, "0.06, 0.50, 1.45, 1.09, 0.73 %"),
        ("fully connected", Verdict::Near, "AlexNet 96.2 %, VGG-16 89.4 %, VGG-19 86.1 %"),
        ("Inception V1", Verdict::Wrong, "1/8.7 of AlexNet's; 1.583 G"),
    ] {
        let claim = of(start);
        assert_eq!(claim.verdict, verdict, "{}", claim.claim);
        assert!(claim.counted.contains(counted), "{}: {}", claim.claim, claim.counted);
    }
}
