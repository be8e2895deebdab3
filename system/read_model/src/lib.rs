//! The read model: a projection of every partition into Redis hashes, and the queries on it. Apart from the event store and the message queue,
//! it is the only part that knows Redis. It changes only its own cache, which it can rebuild from the events.

mod applied_positions;
mod config;
mod keys;
mod lookup;
mod order_report;
mod orders;
mod overlay;
mod pages;
mod partitions_behind;
mod planted_cpu_cost;
mod projection;
mod projector;
mod queries;
mod query;
mod store;
mod validation;

use std::sync::Arc;

pub use applied_positions::AppliedPositions;
pub use config::ProjectionConfig;
pub use keys::keys_of;
pub use planted_cpu_cost::PlantedCpuCost;
pub use projection::Projection;
pub use store::ReadStore;

use ordershop_contract::queue_names as names;
use ordershop_contract::worker::{QueueHandler, ServiceContext, run_worker};
use ordershop_redis::applied::AppliedWatch;
use ordershop_redis::connection::RedisLink;
use partitions_behind::PartitionsBehind;
use queries::Queries;

/// Workers for single entities: one, so that batches are largest. What can't be answered soon doesn't stay in a batch.
const ENTITY_WORKERS: usize = 1;
/// Workers for queries of the services, most of which wait for the projection.
const FACTS_WORKERS: usize = 4;
/// Workers for lists and reports.
const REPORT_WORKERS: usize = 2;

/// Starts the projections of every partition and the query workers; returns the applied positions. Several processes may run it on one Redis:
/// each partition is projected by one of them at a time, and all answer queries.
pub fn start(
    context: &ServiceContext,
    link: &RedisLink,
    config: ProjectionConfig,
) -> AppliedPositions {
    let partitions = context.events.partitions();
    let store = ReadStore::new(link, partitions);
    let stop = context.stop.clone();
    let told = AppliedWatch::of_written(link.clone(), partitions, link.shared(), stop);
    let applied = AppliedPositions::new(store.clone(), told);
    for partition in partitions.all() {
        context.tasks.spawn(projector::run(
            context.clone(),
            link.clone(),
            partition,
            (store.clone(), applied.clone()),
            config,
        ));
    }
    let handler: Arc<dyn QueueHandler> = Arc::new(Queries {
        store,
        applied: applied.clone(),
        behind: PartitionsBehind::default(),
        events: Arc::clone(&context.events),
    });
    run_worker(context, names::GET_ENTITY, ENTITY_WORKERS, &handler);
    run_worker(context, names::GET_FACTS, FACTS_WORKERS, &handler);
    for queue in [
        names::GET_ENTITIES,
        names::GET_MAILS,
        names::GET_ORDER_REPORT,
        names::GET_UNBILLED_ORDERS,
        names::GET_UNSHIPPED_ORDERS,
        names::GET_DELIVERED_ORDERS,
    ] {
        run_worker(context, queue, REPORT_WORKERS, &handler);
    }
    applied
}
