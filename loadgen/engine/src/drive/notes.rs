//! What one driver notes of the writes that it asks for and of the versions that it reads, as the system's answers are understood.

use std::cell::RefCell;

use crate::http_client::{HttpError, Reply, Request, version_of_tag};
use crate::record::ledger::{Change, EntityPath, Ledger, Meanings, Posted, SeenVersions};

/// A driver's ledger, and who knows what answers mean.
pub struct Notes {
    meanings: &'static dyn Meanings,
    ledger: RefCell<Ledger>,
    seen: RefCell<SeenVersions>,
}

/// A request that was noted when it was sent.
pub enum Noted {
    /// It creates something.
    Post(Posted),
    /// It changes or removes an entity.
    Change(EntityPath, Change),
    /// It reads an entity, in this version at least.
    Read(EntityPath, u64),
}

impl Notes {
    /// With nothing noted yet.
    pub fn new(meanings: &'static dyn Meanings) -> Self {
        Self {
            meanings,
            ledger: RefCell::default(),
            seen: RefCell::default(),
        }
    }

    /// A request goes out, with a key of the scenario's or without; none where there is nothing to note of it.
    pub fn sent(&self, request: &Request<'_>, has_own_key: bool) -> Option<Noted> {
        let mut ledger = self.ledger.borrow_mut();
        let body = request.body.as_deref();
        let body = body.and_then(|body| std::str::from_utf8(body).ok());
        let removes = match request.method {
            "POST" => {
                let key = request.header("idempotency-key");
                let trace = request.trace.as_ref();
                // A header of the scenario's stands in the place of the client's own.
                let trace = trace.filter(|_| request.header("traceparent").is_none());
                let posted = Posted {
                    key: key.filter(|_| has_own_key).map(str::to_owned),
                    trace: trace.map(|context| context.trace),
                    ..self.meanings.posted(&request.path, body)?
                };
                ledger.sent(&posted);
                return Some(Noted::Post(posted));
            }
            "GET" => {
                let entity = self.meanings.entity(&request.path)?;
                let at_least = self.seen.borrow().newest(&entity);
                return Some(Noted::Read(entity, at_least));
            }
            "PUT" => false,
            "DELETE" => true,
            _ => return None,
        };
        let entity = self.meanings.entity(&request.path)?;
        let change = Change {
            content: body.and_then(|body| self.meanings.content(&entity.kind, body)),
            removes,
            if_match: request.header("if-match").and_then(version_of_tag),
        };
        ledger.changing(&entity, &change);
        Some(Noted::Change(entity, change))
    }

    /// How it ended. If it was `repeated`, a refusal says nothing of the attempts before: one of them may have been carried out.
    pub fn ended(&self, noted: Noted, outcome: &Result<Reply, HttpError>, repeated: bool) {
        let is_good = |reply: &Reply| (200..300).contains(&reply.status);
        if repeated && !outcome.as_ref().is_ok_and(is_good) {
            return;
        }
        let mut ledger = self.ledger.borrow_mut();
        let reply = match outcome {
            Ok(reply) => reply,
            Err(HttpError::Connect(_) | HttpError::Generator(_) | HttpError::BadRequest(_)) => {
                match &noted {
                    Noted::Post(posted) => ledger.refused(posted),
                    Noted::Change(entity, change) => ledger.unsent(entity, change),
                    Noted::Read(..) => {}
                }
                return;
            }
            Err(_) => return,
        };
        let version = reply.version.filter(|_| is_good(reply));
        match noted {
            Noted::Post(posted) => {
                let created = self.meanings.answered(&posted, reply.status, &reply.body);
                ledger.answered(&posted, created);
            }
            Noted::Change(entity, change) => {
                ledger.changed(&entity, &change, reply.status);
                // From now on the client knows its own version.
                if let Some(version) = version.filter(|_| !change.removes) {
                    self.seen.borrow_mut().answered(entity, 0, version);
                }
            }
            Noted::Read(entity, at_least) => {
                if let Some(version) = version {
                    let mut seen = self.seen.borrow_mut();
                    ledger.read(seen.answered(entity, at_least, version));
                }
            }
        }
    }

    /// All that was noted.
    pub fn take(&self) -> Box<Ledger> {
        Box::new(self.ledger.take())
    }
}
