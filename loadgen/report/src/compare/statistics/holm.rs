//! What many looks cost: p-values made so large that the probability of *any* false alarm among them stays below what was asked for,
//! however they hang together.

/// A question that was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hypothesis {
    /// Its own p-value.
    pub p: f64,
    /// Its share of what may be risked, relative to the others'; above 0.
    pub weight: f64,
}

/// Holm's procedure with weights (1979): the adjusted p-value of each, in their order.
pub fn adjusted(hypotheses: &[Hypothesis]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..hypotheses.len()).collect();
    let rank = |i: usize| hypotheses[i].p / hypotheses[i].weight;
    order.sort_by(|a, b| rank(*a).total_cmp(&rank(*b)));
    let mut left: f64 = hypotheses.iter().map(|h| h.weight).sum();
    let mut adjusted = vec![1.0; hypotheses.len()];
    let mut highest: f64 = 0.0;
    for i in order {
        highest = highest.max((rank(i) * left).min(1.0));
        adjusted[i] = highest;
        left -= hypotheses[i].weight;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(f64, f64)], expected: &[f64]) {
        let hypotheses: Vec<_> = rows
            .iter()
            .map(|(p, weight)| Hypothesis {
                p: *p,
                weight: *weight,
            })
            .collect();
        for (got, expected) in adjusted(&hypotheses).iter().zip(expected) {
            assert!(
                (got - expected).abs() < 1e-12,
                "{rows:?}: {got} instead of {expected}"
            );
        }
    }

    #[test]
    fn equal_weights_give_what_r_gives() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") = 0.03 0.06 0.06 0.02
        check(
            &[(0.01, 1.0), (0.04, 1.0), (0.03, 1.0), (0.005, 1.0)],
            &[0.03, 0.06, 0.06, 0.02],
        );
    }

    #[test]
    fn who_has_half_the_weight_pays_twice_and_a_single_question_nothing() {
        check(&[(0.01, 2.0), (0.5, 1.0), (0.6, 1.0)], &[0.02, 1.0, 1.0]);
        check(&[(0.04, 1.0)], &[0.04]);
        check(&[], &[]);
    }
}
