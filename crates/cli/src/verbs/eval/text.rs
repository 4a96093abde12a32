//! The figures of an evaluation as text.

use striate_predict::Tally;

use crate::output::table;

/// Largest number of classes shown as a confusion matrix.
const MOST_IN_CONFUSION: usize = 20;
/// Largest number of classes with images shown as a list.
const MOST_IN_LIST: usize = 40;

/// The errors of the classes as a table; empty if there are many.
pub fn classes_table(tally: &Tally, classes: &[String]) -> String {
    if classes.len() > MOST_IN_CONFUSION { list(tally, classes) } else { confusion(tally, classes) }
}

/// The confusion matrix: a row for each true class, a column for each predicted one.
fn confusion(tally: &Tally, classes: &[String]) -> String {
    let short = |name: &String| name.chars().take(10).collect::<String>();
    let mut rows = vec![vec!["true \\ predicted".to_owned()]];
    rows[0].extend(classes.iter().map(short));
    rows[0].push("error".into());
    for ((class, counts), error) in classes.iter().zip(tally.confusion()).zip(tally.per_class()) {
        let mut row = vec![class.clone()];
        row.extend(counts.iter().map(|count| if *count == 0 { "·".into() } else { count.to_string() }));
        row.push(error.map_or("–".into(), percent));
        rows.push(row);
    }
    table(&rows)
}

/// The confidence interval of the error, and figures by class and for calibration.
pub fn more_figures(tally: &Tally) -> String {
    let [low, high] = tally.top1_interval().map(|share| share * 100.0);
    let mut text = format!("95 % confidence interval of the top-1 error: {low:.2} to {high:.2} %");
    let share = |name: &str, share: Option<f64>| {
        share.map_or(String::new(), |share| format!("; {name} {:.2} %", share * 100.0))
    };
    text += &share("mean F1 of the classes", tally.macro_f1());
    text + &share("calibration error", tally.calibration_error())
}

/// The classes that have images, each with the class it is most often confused with.
fn list(tally: &Tally, classes: &[String]) -> String {
    let mut rows = vec![["class", "images", "error", "most confused with"].map(str::to_owned).to_vec()];
    for (index, (counts, error)) in tally.confusion().iter().zip(tally.per_class()).enumerate() {
        let Some(error) = error else { continue };
        let wrong = (0..counts.len()).filter(|guess| *guess != index && counts[*guess] > 0);
        // The first of several with the same count.
        let most = wrong.rev().max_by_key(|guess| counts[*guess]);
        let images: usize = counts.iter().sum();
        let mistaken = most.map(|guess| classes[guess].clone()).unwrap_or_default();
        rows.push(vec![classes[index].clone(), images.to_string(), percent(error), mistaken]);
    }
    if rows.len() > MOST_IN_LIST + 1 { String::new() } else { table(&rows) }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
