//! The order of classes in a confusion matrix: classes that are confused lie near each other.

/// Returns the classes that take part in the most frequent confusions, at most `most` of them.
pub fn worst(confusion: &[Vec<usize>], most: usize) -> Vec<usize> {
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (label, row) in confusion.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|(guess, count)| *guess != label && **count > 0);
        pairs.extend(wrong.map(|(guess, count)| (*count, label, guess)));
    }
    pairs.sort_by_key(|(count, label, guess)| (std::cmp::Reverse(*count), *label, *guess));
    let mut classes: Vec<usize> = Vec::new();
    for (_, label, guess) in pairs {
        let new = [label, guess].into_iter().filter(|class| !classes.contains(class));
        let new: Vec<usize> = new.collect();
        if classes.len() + new.len() > most {
            break;
        }
        classes.extend(new);
    }
    classes
}

/// Orders `classes` so that those confused with each other are neighbors: each, the most confused first, is inserted
/// where it adds most to the confusion between neighbors.
pub fn neighbors(confusion: &[Vec<usize>], classes: &[usize]) -> Vec<usize> {
    let share = |a: usize, b: usize| {
        let all: usize = confusion[a].iter().sum();
        confusion[a][b] as f64 / all.max(1) as f64
    };
    let between = |a: Option<&usize>, b: Option<&usize>| match (a, b) {
        (Some(a), Some(b)) => share(*a, *b) + share(*b, *a),
        _ => 0.0,
    };
    let total = |class: usize| -> f64 {
        classes.iter().filter(|other| **other != class).map(|other| between(Some(&class), Some(other))).sum()
    };
    let mut queue: Vec<(f64, usize)> = classes.iter().map(|class| (total(*class), *class)).collect();
    queue.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut order: Vec<usize> = Vec::new();
    for (_, class) in queue {
        let gain = |at: usize| {
            let left = at.checked_sub(1).and_then(|left| order.get(left));
            let right = order.get(at);
            between(left, Some(&class)) + between(Some(&class), right) - between(left, right)
        };
        // The last of several equal places, so that classes without confusions keep their order.
        let place = (0..=order.len()).max_by(|a, b| gain(*a).total_cmp(&gain(*b))).unwrap_or(0);
        order.insert(place, class);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(n: usize, pairs: &[(usize, usize, usize)]) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; n]; n];
        (0..n).for_each(|class| counts[class][class] = 10);
        pairs.iter().for_each(|(label, guess, count)| counts[*label][*guess] = *count);
        counts
    }

    #[test]
    fn confused_classes_become_neighbors() {
        let counts = confusion(6, &[(0, 4, 5), (4, 0, 3), (2, 5, 2)]);
        let order = neighbors(&counts, &[0, 1, 2, 3, 4, 5]);
        let at = |class| order.iter().position(|own| *own == class).unwrap();
        assert!(at(0).abs_diff(at(4)) == 1 && at(2).abs_diff(at(5)) == 1, "{order:?}");
        assert_eq!(neighbors(&confusion(4, &[]), &[0, 1, 2, 3]), [0, 1, 2, 3]);
    }

    #[test]
    fn worst_classes_are_those_of_the_most_frequent_confusions() {
        let counts = confusion(6, &[(0, 4, 5), (4, 0, 3), (2, 5, 2), (1, 3, 1)]);
        assert_eq!(worst(&counts, 4), [0, 4, 2, 5]);
        assert!(worst(&confusion(3, &[]), 2).is_empty());
    }
}
