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
