//! An HTTP client for one driver: connections in a pool without a lock, because a driver is one thread. Knows requests and
//! answers; must not know scenarios, and records nothing.

mod answer_headers;
mod chunks;
mod client;
mod connection;
mod connection_figures;
mod cookie_date;
mod customer;
mod encoding;
mod entity_tag;
mod error;
mod exchange_times;
mod multiplexed;
mod name_lookup;
mod options;
mod proxy;
mod redirect;
mod reply;
mod request;
mod response;
mod standard_headers;
mod stream;
mod streams;
mod target;
mod time_limit;
mod tls;
mod travel;

pub use answer_headers::ClientHeaders;
pub use client::{HttpClient, Turn};
pub use connection_figures::ConnectionFigures;
pub use customer::Customer;
pub use entity_tag::version_of_tag;
pub use error::HttpError;
pub use exchange_times::ExchangeTimes;
pub use options::{ClientLimits, ClientOptions};
pub use proxy::ProxyChoice;
pub use redirect::{Following, Hop};
pub use reply::Reply;
pub use request::{Request, TraceContext};
pub use stream::Stream;
pub use target::{ConnectOptions, Target};
pub use tls::{TlsOptions, authorities, certificates, private_key};
pub use travel::Manner;
