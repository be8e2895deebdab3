//! The comparisons that a threshold may make.

/// How figure and bound are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the operators are their own explanation
pub enum ComparisonOperator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl ComparisonOperator {
    /// Whether the comparison holds for this figure.
    pub(super) fn holds(self, figure: f64, bound: f64) -> bool {
        match self {
            Self::Less => figure < bound,
            Self::LessOrEqual => figure <= bound,
            Self::Equal => figure == bound,
            Self::GreaterOrEqual => figure >= bound,
            Self::Greater => figure > bound,
        }
    }
}
