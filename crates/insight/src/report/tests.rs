//! Tests of whole reports.

use striate_graph::Loss;
use striate_predict::Tally;
use striate_testkit::html::{Element, checked};
use striate_vision::Image;

use super::*;

/// A model of `classes` that sees each image as its class or, every third, as one near it.
fn evaluated(classes: usize, images: usize, name: impl Fn(usize) -> String) -> (Evaluated, Mistakes) {
    let mut tally = Tally::new(classes, Loss::default()).unwrap();
    let mut mistakes = Mistakes::default();
    let mut scores = vec![0.0; classes];
    for image in 0..images {
        let label = image * 7 % classes;
        scores.fill(0.0);
        scores[if image % 3 == 0 { (label + 1 + image % 5) % classes } else { label }] =
            1.0 + (image % 9) as f32;
        tally.add(&scores, &[label as i64]);
        mistakes.add(image, &scores, &[label as i64]);
    }
    (Evaluated { part: "test".into(), tally, classes: (0..classes).map(name).collect() }, mistakes)
}

fn noise(side: usize) -> Picture {
    let pixels = (0..side * side * 3).map(|i| (i * i % 253) as u8).collect();
    Picture::new(&Image::new(side, side, 3, pixels).unwrap(), 160, "noise").unwrap()
}

fn example(name: &str) -> Example {
    Example {
        picture: noise(160),
        evidence: Some(noise(160)),
        label: name.into(),
        guess: name.into(),
        confidence: Some(0.5),
        place: "image 3".into(),
    }
}

fn rows<'a>(all: &'a [Element], table: &str) -> Vec<&'a Element> {
    let start = all.iter().position(|own| own.name == "table" && own.attribute("class") == table).unwrap();
    let own = all[start + 1..].iter().take_while(|own| own.around.contains(&"table".into()));
    own.filter(|own| own.name == "tr" && own.around.last().unwrap() == "tbody").collect()
}

#[test]
fn figures_are_those_of_the_tally_and_classes_are_sorted_by_error() {
    let (evaluated, _) =
        evaluated(6, 100, |class| ["<b>猫</b>", "a&b", "ü", "\"q\"", "e", "f"][class].to_owned());
    let (tally, classes) = (evaluated.tally.clone(), evaluated.classes.clone());
    let page =
        Report { title: "<script>x</script>".into(), evaluated: Some(evaluated), ..Report::default() }.html();
    let all = checked(&page);
    let figure = |id: &str| {
        let own = all.iter().find(|own| own.name == "data" && own.attribute("class") == id);
        own.unwrap().attribute("value").parse::<f64>().unwrap()
    };
    assert_eq!(figure("top1_error"), tally.top1_error());
    assert_eq!(figure("top5_error"), tally.top5_error());
    assert_eq!(figure("loss"), tally.loss());
    assert_eq!(figure("macro_f1"), tally.macro_f1().unwrap());
    assert_eq!(figure("calibration_error"), tally.calibration_error().unwrap());
    let listed = rows(&all, "classes");
    assert_eq!(listed.len(), 6);
    let errors: Vec<f64> = listed
        .iter()
        .map(|row| {
            let class = classes.iter().position(|name| row.text.starts_with(name.as_str())).unwrap();
            tally.per_class()[class].unwrap()
        })
        .collect();
    assert!(errors.is_sorted_by(|a, b| a >= b), "{errors:?}");
    assert!(
        page.contains("&lt;b&gt;猫&lt;/b&gt;") && !page.contains("<b>猫</b>") && !page.contains("<script>x")
    );
}

/// Names that take the most bytes, and more images than fit.
#[test]
fn report_of_a_thousand_classes_and_many_images_is_small() {
    for classes in [1000, 3000] {
        let (evaluated, mistakes) = evaluated(classes, 6000, |class| format!("{class}{}", "\"".repeat(300)));
        let many: Vec<Example> = (0..200).map(|_| example(&"&".repeat(500))).collect();
        let report = Report {
            title: "t".repeat(10_000),
            notes: vec!["n\n".repeat(10_000); 100],
            facts: vec![("<".repeat(5000), "<".repeat(5000)); 200],
            metrics: vec![("train_loss".into(), (0..100_000).map(|i| (f64::from(i), 1.0)).collect())],
            pairs: mistakes.pairs(5, 3).iter().map(|pair| (pair.count, many.clone())).collect(),
            mistakes: many,
            kernels: Some(("k".repeat(9000), noise(160))),
            samples: vec![
                Strip {
                    class: "s".into(),
                    count: 3,
                    pictures: vec![noise(96); 9],
                    mixtures: vec![vec![("<".repeat(900), 0.5); 2]; 9]
                };
                9
            ],
            recipe: "&".repeat(100_000),
            plan: "<\n".repeat(100_000),
            evaluated: Some(evaluated),
            ..Report::default()
        };
        let page = report.html();
        assert!(page.len() < LARGEST, "{} bytes", page.len());
        let all = checked(&page);
        assert_eq!(rows(&all, "classes").len(), 1000);
        let cells = all.iter().filter(|own| ["hit", "miss"].contains(&own.attribute("class"))).count();
        assert!((20..=900).contains(&cells), "{cells}");
        assert!(page.contains("images are left out"));
    }
}

#[test]
fn report_without_data_has_what_there_is() {
    let page = Report { title: "run".into(), notes: vec!["gone".into()], ..Report::default() }.html();
    let all = checked(&page);
    assert_eq!(all.iter().filter(|own| own.name == "section").count(), 1);
    assert!(page.contains("<li>gone</li>") && !page.contains("<img"));
}

#[test]
fn sections_are_linked_and_titled() {
    let (evaluated, _) = evaluated(3, 30, |class| class.to_string());
    let report = Report {
        title: "run".into(),
        facts: vec![("Network".into(), "x".into())],
        metrics: vec![("val_loss".into(), vec![(1.0, 0.5), (2.0, 0.25)])],
        mistakes: vec![example("a")],
        pairs: vec![(2, vec![example("b")])],
        kernels: Some(("kernels".into(), noise(9))),
        features: vec![("maps".into(), noise(9))],
        samples: vec![Strip { class: "s".into(), count: 3, pictures: vec![noise(8)], mixtures: vec![] }],
        recipe: "a = 1".into(),
        plan: "steps".into(),
        evaluated: Some(evaluated),
        ..Report::default()
    };
    let all = checked(&report.html());
    let ids: Vec<&str> =
        all.iter().filter(|own| own.name == "section").map(|own| own.attribute("id")).collect();
    let expected = [
        "summary",
        "results",
        "curves",
        "calibration",
        "confusions",
        "classes",
        "mistakes",
        "pairs",
        "kernels",
        "features",
        "samples",
        "recipe",
        "plan",
    ];
    assert_eq!(ids, expected);
    assert_eq!(all.iter().filter(|own| own.name == "a" && own.around.contains(&"nav".into())).count(), 13);
}
