//! How many replicas must have what was written before anybody is told that it is. Knows `WAIT` and what its reply means, not what was
//! written.

use redis::{ErrorKind, Pipeline, RedisResult, Value};

use crate::connection::MultiplexedConnection;

/// What is asked of the replicas; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicasAsked {
    /// The number of replicas that must have a write before it is answered.
    pub ack: u32,
    /// How long they may take, ms, at least 1: Redis would wait for ever with 0.
    pub ack_timeout_ms: u32,
}

impl ReplicasAsked {
    /// The replies that [`ReplicasAsked::add`] adds.
    pub(crate) fn replies(self) -> usize {
        usize::from(self.ack > 0)
    }

    /// Adds `WAIT` to the end of a pipeline that writes, where replicas are asked for. It waits for what was written on the same connection,
    /// and blocks what is sent behind it.
    pub(crate) fn add(self, pipe: &mut Pipeline) {
        if self.ack > 0 {
            pipe.cmd("WAIT").arg(self.ack).arg(self.ack_timeout_ms);
        }
    }

    /// Takes the reply to `WAIT` off the end of a pipeline's replies. Returns what is missing, if too few replicas have the writes. An error:
    /// the server isn't the master any more, or gave no such reply.
    pub(crate) fn missing(self, replies: &mut Vec<Value>) -> RedisResult<Option<String>> {
        if self.ack == 0 {
            return Ok(None);
        }
        match replies.pop() {
            Some(Value::Int(have)) if have >= i64::from(self.ack) => Ok(None),
            Some(Value::Int(have)) => Ok(Some(format!(
                "{have} of {} replicas have acknowledged it within {} ms (--replicas-ack); repeat it",
                self.ack, self.ack_timeout_ms
            ))),
            Some(Value::ServerError(error)) => Err(error.into()),
            _ => Err((ErrorKind::UnexpectedReturnType, "unexpected reply to WAIT").into()),
        }
    }

    /// What is missing where something was found in the stream and nothing can be waited for.
    pub(crate) fn unknown(self) -> Option<String> {
        let why = "whether the replicas have it is not known; repeat it";
        (self.ack > 0).then(|| why.to_owned())
    }

    /// Waits for what was written on a connection; returns what is missing.
    pub(crate) async fn wait(
        self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Option<String>> {
        let mut pipe = redis::pipe();
        self.add(&mut pipe);
        if pipe.is_empty() {
            return Ok(None);
        }
        let mut replies = connection.send_packed_commands(&pipe, 0, 1).await?;
        self.missing(&mut replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_replicas_is_written_and_missing_until_enough_of_them_have_it() {
        let asked = ReplicasAsked {
            ack: 2,
            ack_timeout_ms: 500,
        };
        let missing = |reply| asked.missing(&mut vec![Value::Okay, reply]);
        assert_eq!(missing(Value::Int(2)).unwrap(), None);
        assert_eq!(missing(Value::Int(3)).unwrap(), None);
        let said = missing(Value::Int(1)).unwrap().unwrap();
        assert!(said.contains("1 of 2 replicas"), "{said}");
        assert!(missing(Value::Nil).is_err());
        let none = ReplicasAsked::default();
        assert_eq!(none.missing(&mut vec![Value::Int(0)]).unwrap(), None);
    }
}
