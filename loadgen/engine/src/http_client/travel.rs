//! A customer's request on its way through redirects, with the customer's cookies.

use std::rc::Rc;
use std::time::Instant;

use url::Url;

use super::client::{HttpClient, Turn};
use super::customer::Customer;
use super::error::HttpError;
use super::exchange_times::ExchangeTimes;
use super::redirect::{self, Following, Hop};
use super::reply::Reply;
use super::request::Request;

/// Other hosts whose connections are kept.
const HOSTS_MAX: usize = 100;

/// How a customer's request is sent.
pub struct Manner<'a> {
    /// Whose request it is.
    pub customer: &'a Customer,
    /// Which redirects are followed.
    pub following: Following<'a>,
}

impl Turn<'_> {
    /// Sends a customer's request, with the customer's cookies, and goes where the target sends it on to. Adds the redirects to `hops`,
    /// also those before an error. All of it has the time of one request.
    pub async fn follow(
        mut self,
        request: &Request<'_>,
        manner: &Manner<'_>,
        hops: &mut Vec<Hop>,
    ) -> Result<Reply, HttpError> {
        let (client, end, place) = (self.client, self.end(), self.place.take());
        let mut url = None;
        if manner.customer.has_cookies() {
            url = Some(client.url(request)?);
        }
        let cookie = url.as_ref().and_then(|url| manner.customer.cookies(url));
        let sent = client.exchange(request, cookie.as_deref(), self.since, end, place);
        let outcome = match sent.await {
            Ok(reply) if reply.leads_further() => {
                let from = match url {
                    Some(url) => url,
                    None => client.url(request)?,
                };
                let times = (self.since, end);
                let further = client.further(request, from, reply, manner, hops, times);
                Box::pin(further).await
            }
            outcome => outcome,
        };
        client.ended(outcome)
    }
}

impl HttpClient {
    fn url(&self, request: &Request<'_>) -> Result<Url, HttpError> {
        let place = request.place(&self.target)?.text();
        let (path, query) = match place.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (place.as_str(), None),
        };
        let mut url = self.target.base().clone();
        url.set_path(path);
        url.set_query(query);
        url.set_fragment(None);
        Ok(url)
    }

    /// The client for another host's URL.
    fn at(&self, url: &Url) -> Result<Rc<HttpClient>, HttpError> {
        let origin = url.origin().ascii_serialization();
        if let Some(known) = self.elsewhere.borrow().get(&origin) {
            return Ok(known.clone());
        }
        let target = self.target.elsewhere(url);
        let target = target.map_err(|e| HttpError::Connect(std::io::Error::other(e)))?;
        let client = Rc::new(Self::with(target, self.limits, self.options.clone()));
        let mut elsewhere = self.elsewhere.borrow_mut();
        if elsewhere.len() < HOSTS_MAX {
            elsewhere.insert(origin, client.clone());
        }
        Ok(client)
    }

    /// Goes on from an answer that has cookies or sends on; returns the last answer.
    async fn further(
        &self,
        request: &Request<'_>,
        mut from: Url,
        mut reply: Reply,
        manner: &Manner<'_>,
        hops: &mut Vec<Hop>,
        (mut begun, end): (Instant, Instant),
    ) -> Result<Reply, HttpError> {
        let customer = manner.customer;
        let mut next: Option<Request<'_>> = None;
        let mut first: Option<Box<ExchangeTimes>> = None;
        loop {
            let headers = reply.headers.as_ref();
            let cookies = headers.map_or(&[][..], |headers| &headers.cookies);
            if !cookies.is_empty() {
                customer.take(cookies, &from);
            }
            let follows = manner.following.follows(reply.status);
            let location = headers.and_then(|headers| headers.location.as_deref());
            let to = location
                .filter(|_| follows)
                .and_then(|to| from.join(to).ok());
            let Some(to) = to.filter(|to| matches!(to.scheme(), "http" | "https")) else {
                break;
            };
            let asked = next.as_ref().unwrap_or(request);
            let following = redirect::next(asked, reply.status, &from, &to);
            hops.push(Hop {
                status: reply.status,
                time: reply.completed.saturating_duration_since(begun),
                from: format!("{} {from}", asked.method),
                to: format!("{} {to}", following.method),
            });
            if hops.len() > manner.following.redirects_max as usize {
                let text = format!("{} of them; the last one to {to}", hops.len());
                return Err(HttpError::Redirects(text));
            }
            first = first.or(reply.times);
            begun = reply.completed;
            let cookie = customer.cookies(&to);
            let cookie = cookie.as_deref();
            reply = if self.target.owns(&to) {
                self.exchange(&following, cookie, begun, end, None).await?
            } else {
                let other = self.at(&to)?;
                let turn = tokio::time::timeout_at(end.into(), other.turn());
                let mut turn = turn.await.map_err(|_| HttpError::Timeout)?;
                let place = turn.place.take();
                let sent = other.exchange(&following, cookie, turn.since, end, place);
                sent.await?
            };
            (from, next) = (to, Some(following));
        }
        if let (Some(first), Some(last)) = (first, &mut reply.times) {
            (last.connected, last.written) = (first.connected, first.written);
        }
        Ok(reply)
    }
}
