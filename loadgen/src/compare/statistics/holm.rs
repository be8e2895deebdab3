//! Adjusts p-values for multiple tests, so that the probability of *any* false alarm among them stays below the risk that was asked for,
//! however the tests depend on each other.

/// One of several tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hypothesis {
    /// The p-value of this test alone.
    pub p: f64,
    /// The test's share of the risk, relative to the others' weights; above 0.
    pub weight: f64,
}

/// Weighted Holm procedure (1979): the adjusted p-value of each hypothesis, in their order.
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
