//! The section of a report about the classes: all of them, the worst first.

use striate_predict::ClassFigures;
use striate_tensor::text::{counted, grouped};

use super::{Evaluated, name, percent, section};
use crate::page::{Column, Section, table};

/// Classes that are listed.
const LISTED: usize = 1000;

/// All classes with their figures, the worst first.
pub fn classes(evaluated: &Evaluated) -> Section {
    let Evaluated { tally, classes, .. } = evaluated;
    let (figures, errors, counts) = (tally.class_figures(), tally.per_class(), tally.confusion());
    let mut order: Vec<usize> = (0..classes.len()).collect();
    let error = |class: &usize| errors[*class].unwrap_or(-1.0);
    order.sort_by(|a, b| {
        error(b).total_cmp(&error(a)).then(figures[*b].images.cmp(&figures[*a].images)).then(a.cmp(b))
    });
    let columns = [
        Column::text("class"),
        Column::number("images"),
        Column::number("error"),
        Column::number("precision"),
        Column::number("recall"),
        Column::number("F1"),
        Column::text("most often mistaken for"),
    ];
    let share = |value: Option<f64>| value.map_or("–".to_owned(), percent);
    let rows = order.iter().take(LISTED).map(|class| {
        let ClassFigures { images, precision, recall, f1 } = figures[*class];
        let wrong = (0..classes.len()).filter(|guess| guess != class && counts[*class][*guess] > 0);
        // The first of several with the same count.
        let most = wrong.rev().max_by_key(|guess| counts[*class][*guess]);
        let taken = most.map(|guess| format!("{} ({})", name(classes, guess), counts[*class][guess]));
        let figures = [share(errors[*class]), share(precision), share(recall), share(f1)];
        let ends = [name(classes, *class), grouped(images as u64)];
        ends.into_iter().chain(figures).chain([taken.unwrap_or_default()]).collect()
    });
    let caption = match classes.len() > LISTED {
        true => format!("The {LISTED} worst of {}", counted(classes.len(), "class")),
        false => format!("{}, worst first", counted(classes.len(), "class")),
    };
    let table = table("classes", &caption, &columns, rows);
    let search = "<p class=\"search\" hidden><label>Search <input type=\"search\" autocomplete=\"off\"></label> \
                  <output aria-live=\"polite\"></output></p>\n";
    let text = "Precision is the share of right ones among the predictions of a class, recall the share of its images \
                that are recognized; F1 is their harmonic mean.";
    section("classes", "Classes, worst first", text, format!("{search}{table}"))
}
