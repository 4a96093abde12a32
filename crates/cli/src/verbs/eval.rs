//! `striate eval`

use anyhow::Result;
use striate_data::{Prepared, Spec, align_classes};
use striate_engine::Cpu;
use striate_predict::{Classifier, Tally};
use striate_train::{evaluate, trained_loss};

use crate::arguments::Eval;
use crate::output::{job_bar, table};
use crate::{json, weights};

pub fn run(args: Eval) -> Result<()> {
    let model = weights::model(&args.model)?;
    let loss = trained_loss(&model);
    let classifier = Classifier::new(model, Cpu::new(args.compute.threads)?);
    let classifier = classifier.map_err(|e| e.at(args.model.display()))?;
    let mut dataset = striate_data::load(&Spec::parse(&args.data)?, &striate_data::LoadOptions::default())?;
    if args.data.starts_with("npy:") && dataset.classes.len() < classifier.classes().len() {
        // Arrays name no classes; some of the model's may not occur in them.
        dataset.classes = classifier.classes().to_vec();
    }
    align_classes(classifier.classes(), &dataset.classes)?;
    let (part, split) = dataset.evaluation();
    let form = dataset.preprocessing.as_ref().map(|own| classifier.preprocessing().unwrap_or(own));
    let data = Prepared::new(split, form)?;
    let bar = job_bar(data.len(), part);
    let tally = evaluate(classifier.inference(), loss, &data, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    if args.compute.json {
        return Ok(json::print(&json::tally(&tally, classifier.classes()))?);
    }
    println!(
        "{} error {:.2} % (top 5: {:.2} %), loss {:.4}, on {} images of {}",
        part,
        tally.top1_error() * 100.0,
        tally.top5_error() * 100.0,
        tally.loss(),
        tally.n(),
        args.data
    );
    print!("{}", confusion(&tally, classifier.classes()));
    Ok(())
}

/// True classes down, guesses across; only for a handful of classes.
fn confusion(tally: &Tally, classes: &[String]) -> String {
    if classes.len() > 20 {
        return String::new();
    }
    let short = |name: &String| name.chars().take(10).collect::<String>();
    let mut rows = vec![vec!["true \\ guess".to_owned()]];
    rows[0].extend(classes.iter().map(short));
    rows[0].push("error".into());
    for ((class, counts), error) in classes.iter().zip(tally.confusion()).zip(tally.per_class()) {
        let mut row = vec![class.clone()];
        row.extend(counts.iter().map(|count| if *count == 0 { "·".into() } else { count.to_string() }));
        row.push(error.map_or("–".into(), |error| format!("{:.1} %", error * 100.0)));
        rows.push(row);
    }
    table(&rows)
}
