//! The line and the claims: depths that the papers state, and figures that were counted by hand.

use striate_models::history::{Counts, LINE, Verdict, claims, grouped};

#[test]
fn the_line_is_in_order_and_its_networks_exist() {
    assert!(LINE.is_sorted_by_key(|station| station.year));
    assert_eq!((LINE[0].year, LINE[LINE.len() - 1].year), (1957, 2015));
    for station in LINE {
        station.counts().unwrap();
        assert!(station.errors.iter().all(|error| error.percent > 0.0 && error.networks > 0));
    }
}

/// One network before several, the fewest views first; the best of one network as the papers' tables have it.
#[test]
fn errors_are_in_order_and_the_best_of_one_network_is_among_them() {
    for station in LINE {
        let of =
            |is_single: bool| station.errors.iter().filter(move |error| (error.networks == 1) == is_single);
        assert!(of(true).chain(of(false)).eq(station.errors), "{}", station.name);
        assert!(station.errors.iter().all(|error| error.task == station.errors[0].task));
        for is_single in [true, false] {
            assert!(of(is_single).is_sorted_by(|a, b| a.percent > b.percent), "{}", station.name);
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
        let station = LINE.iter().find(|station| station.name == name).unwrap();
        let [first, best] = [station.fewest_views(), station.lowest_errors().0].map(Option::unwrap);
        assert!(first.is_top5() && best.is_top5(), "{name}");
        assert_eq!((first.percent, first.views()), fewest, "{name}");
        assert_eq!((best.percent, best.views()), lowest, "{name}");
    }
    let resnet = LINE.last().unwrap();
    assert!(resnet.errors.iter().any(|error| error.percent == 5.71 && error.how == "10 views"));
}

/// An error stands beside the size of the network that makes it.
#[test]
fn counted_networks_are_those_of_the_errors() {
    let station = LINE.iter().find(|station| station.name == "Network in network").unwrap();
    assert_eq!(station.errors[0].task, "CIFAR-10");
    assert_eq!(station.counts().unwrap().unwrap().params, 966_986);
}

#[test]
fn counts_are_grouped_by_threes() {
    let texts = [0, 999, 61_706, 1_000_000].map(grouped);
    assert_eq!(texts, ["0", "999", "61,706", "1,000,000"]);
}

/// The number that stands in each network's name or paper.
#[test]
fn depths_are_those_of_the_papers() {
    for (name, depth) in
        [("alexnet-2012", 8), ("vgg19", 19), ("googlenet-2014", 22), ("resnet152-v1", 152), ("plain34", 34)]
    {
        assert_eq!(Counts::of(name).unwrap().depth, depth, "{name}");
    }
}

#[test]
fn alexnet_is_counted_as_by_hand() {
    let counts = Counts::of("alexnet-2012").unwrap();
    let millions = |number: u64| (number as f64 / 1e5).round() / 10.0;
    assert_eq!(millions(counts.conv_macs), 665.8);
    assert_eq!(millions(counts.conv_macs_inside), 612.7);
    assert_eq!(millions(counts.macs), 724.4);
    assert_eq!(counts.neurons, 659_272);
}

/// LeNet-5's F6; slim's last layer, which is a convolution of one place; none before a mean over the map.
#[test]
fn linear_layers_are_found_in_every_form() {
    for (name, linear, all) in
        [("lenet5-1998", 10_164.0, 60_000.0), ("inception-v2", 1_025_000.0, 11_188_224.0), ("nin", 0.0, 1.0)]
    {
        assert_eq!(Counts::of(name).unwrap().linear_params, linear / all, "{name}");
    }
}

#[test]
fn claims_get_their_verdicts() {
    let claims = claims().unwrap();
    let of = |start: &str| claims.iter().find(|claim| claim.claim.starts_with(start)).unwrap();
    for (start, verdict, counted) in [
        ("an image of a million", Verdict::Exact, "1,000,000,000,000"),
        ("three layers of 3×3", Verdict::Exact, "55.1 %"),
        ("LeNet-5 has", Verdict::Exact, "340,908"),
        ("AlexNet has 60 M", Verdict::Exact, "60,965,224"),
        ("AlexNet has 630 M", Verdict::Depends, "671.3 M"),
        ("AlexNet has 650,000", Verdict::Depends, "622,312"),
        ("no convolution of AlexNet", Verdict::Wrong, "0.06, 0.50, 1.45, 1.09, 0.73 %"),
        ("fully connected", Verdict::Near, "AlexNet 96.2 %, VGG-16 89.4 %, VGG-19 86.1 %"),
        ("Inception V1", Verdict::Wrong, "1/8.7 of AlexNet's; 1.583 G"),
    ] {
        let claim = of(start);
        assert_eq!(claim.verdict, verdict, "{}", claim.claim);
        assert!(claim.counted.contains(counted), "{}: {}", claim.claim, claim.counted);
    }
}
