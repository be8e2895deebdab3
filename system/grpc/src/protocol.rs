//! What is asked and answered over a stream of numbered requests, and why a request has no answer.

use futures_util::Stream;
use futures_util::future::BoxFuture;
use tonic::{Status, Streaming};

/// The messages of one kind of stream.
pub(super) trait Protocol: Sized + Send + Sync + 'static {
    /// One numbered request.
    type Request: Send + 'static;
    /// One message of several requests.
    type Requests: Send + 'static;
    /// The answer to one request.
    type Answer: Send + 'static;
    /// One message of several answers.
    type Answers: Send + 'static;

    /// Puts requests into one message.
    fn bundle(requests: Vec<Self::Request>) -> Self::Requests;
    /// Splits a message into answers, each with its request's number.
    fn unbundle(answers: Self::Answers) -> impl Iterator<Item = (u64, Self::Answer)>;
    /// Opens the stream.
    fn open(
        &self,
        requests: impl Stream<Item = Self::Requests> + Send + 'static,
    ) -> BoxFuture<'static, Result<Streaming<Self::Answers>, Status>>;
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallFailure {
    /// Too many requests are unanswered; this one was not sent.
    Overloaded,
    /// The request was not sent.
    Unsent(String),
    /// The stream broke after the request was sent: it may or may not have been carried out.
    Broken(String),
    /// The exchange was closed.
    Closed,
}

pub(super) type Outcome<P> = Result<<P as Protocol>::Answer, CallFailure>;
