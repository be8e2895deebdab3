"""The first OrderShop's contracts from Python, with processes that are killed: run as
`contract.py CONTRACTS STUBS EVENT_STORE MESSAGE_QUEUE` against a shop whose product service and read model run.
Ends with 0 when everything held."""

import json
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import grpc
from roles import FUNCTION, SERVICE
from stubs import Shop, generate

PATIENCE_S = 30


class Role:
    """A process of `roles.py`; killed at the end."""

    def __init__(self, role: str, arguments: list[str]):
        script = pathlib.Path(__file__).parent / "roles.py"
        command = [sys.executable, str(script), role, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Role":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def line(self) -> str:
        """Waits for the next line of its output."""
        line = self.process.stdout.readline().strip()
        if not line:
            raise AssertionError(f"it ended: {self.process.wait()}")
        return line

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def new_product(shop: Shop) -> tuple[str, str, str]:
    """Publishes a new product; returns its id, its event's id and the event's entry id."""
    product, event_id = uuid.uuid4().hex, uuid.uuid4().hex
    data = json.dumps({"entity_id": product, "name": "Schöne Tasse", "price": 7})
    info = json.dumps({"event_id": event_id, "event_action": "entity_created", "event_data": data})
    published = shop.events.publish(shop.event.PublishRequest(event_topic="product", event_info=info))
    return product, event_id, published.entry_id


def call(shop: Shop, service: str, function: str, payload: object, msg_id: str = "") -> object:
    """Sends a request, waits for its response and acknowledges the response."""
    name = {"service_name": service, "func_name": function}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            sent = shop.messages.send_msg(
                shop.message.SendRequest(**name, msg_id=msg_id, payload=json.dumps(payload))
            )
            break
        except grpc.RpcError as error:
            # A service that has just started has not received yet, so its function is unknown.
            if error.code() != grpc.StatusCode.NOT_FOUND or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    return json.loads(response(shop, service, function, sent.msg_id))


def response(shop: Shop, service: str, function: str, msg_id: str) -> str:
    name = {"service_name": service, "func_name": function, "msg_id": msg_id}
    received = shop.messages.recv_rsp(shop.message.ReceiveRequest(**name, timeout=PATIENCE_S))
    assert received.msg_id == msg_id, "no response in time"
    assert shop.messages.ack_rsp(shop.message.AckRequest(**name)).success
    return received.payload


def is_told_without_a_group_until_it_unsubscribes(shop: Shop) -> None:
    subscription = shop.events.subscribe(shop.event.SubscribeRequest(event_topic="product"))
    subscription.initial_metadata()  # It has begun.
    product, event_id, _ = new_product(shop)
    told = next(subscription)
    assert told.event_id == event_id
    assert told.event_action == "entity_created"
    assert json.loads(told.event_data)["entity_id"] == product
    assert abs(told.event_ts - time.time()) < 60
    topic = shop.event.UnsubscribeRequest(event_topic="product")
    assert shop.events.unsubscribe(topic).success
    assert list(subscription) == []
    assert not shop.events.unsubscribe(topic).success


def gets_the_whole_topic(shop: Shop) -> None:
    product, event_id, entry_id = new_product(shop)
    events = json.loads(shop.events.get(shop.event.GetRequest(event_topic="product")).events)
    assert events[-1][0] == entry_id
    assert events[-1][1]["event_id"] == event_id
    assert json.loads(events[-1][1]["event_data"])["entity_id"] == product


def queries_the_read_model(shop: Shop) -> None:
    product, _, entry_id = new_product(shop)
    query = {"params": {"name": "product", "id": product}, "at_least": {"product": entry_id}}
    answer = call(shop, "read-model", "get_entity", query)
    assert answer["result"] == {"entity_id": product, "name": "Schöne Tasse", "price": 7}, answer


def commands_a_service(shop: Shop) -> None:
    answer = call(shop, "product-service", "create_products", {"params": {"name": "Teller", "price": 3}})
    assert len(answer["result"]) == 1, answer


def is_told_again_after_a_kill(shop: Shop, arguments: list[str]) -> None:
    with Role("listen", arguments) as first:
        first.line()  # It is the group's active member.
        _, event_id, _ = new_product(shop)
        while first.line() != f"told {event_id}":
            pass
        first.kill()
    with Role("listen", arguments) as second:
        while second.line() != f"told {event_id}":
            pass


def serves_a_function(shop: Shop, arguments: list[str]) -> None:
    with Role("serve", arguments) as service:
        assert service.line() == "serves"
        for params in range(20):
            assert call(shop, SERVICE, FUNCTION, {"params": params}) == {"result": 2 * params}


def a_killed_services_message_is_delivered_again(shop: Shop, arguments: list[str]) -> None:
    msg_id = uuid.uuid4().hex
    with Role("hold", arguments) as killed:
        # The function is known since it was served above.
        request = {"service_name": SERVICE, "func_name": FUNCTION, "msg_id": msg_id, "payload": '{"params": 21}'}
        shop.messages.send_msg(shop.message.SendRequest(**request))
        assert killed.line() == f"holds {msg_id}"
        killed.kill()
    with Role("serve", arguments) as service:
        assert service.line() == "serves"
        assert service.line() == f"answered {msg_id}"
        assert json.loads(response(shop, SERVICE, FUNCTION, msg_id)) == {"result": 42}


def refusals_name_what_is_wrong(shop: Shop) -> None:
    def refused(code: grpc.StatusCode, ask) -> None:
        try:
            ask()
        except grpc.RpcError as error:
            assert error.code() == code, error
            return
        raise AssertionError(f"not refused with {code}")

    codes = grpc.StatusCode
    name = {"service_name": "nobody", "func_name": "nothing"}
    event = shop.event.PublishRequest
    refused(codes.NOT_FOUND, lambda: shop.events.publish(event(event_topic="x", event_info="{}")))
    refused(codes.INVALID_ARGUMENT, lambda: shop.events.publish(event(event_topic="mail", event_info="{}")))
    refused(codes.NOT_FOUND, lambda: shop.messages.send_msg(shop.message.SendRequest(**name, payload="1")))
    refused(codes.FAILED_PRECONDITION, lambda: shop.messages.ack_msg(shop.message.AckRequest(**name, msg_id="m")))
    refused(
        codes.INVALID_ARGUMENT, lambda: shop.messages.recv_msg(shop.message.ReceiveRequest(**name, timeout=-1))
    )


def main() -> None:
    contracts, stubs, event_store, message_queue = sys.argv[1:]
    generate(pathlib.Path(contracts), pathlib.Path(stubs))
    arguments = [stubs, event_store, message_queue]
    shop = Shop(pathlib.Path(stubs), event_store, message_queue)
    is_told_without_a_group_until_it_unsubscribes(shop)
    gets_the_whole_topic(shop)
    queries_the_read_model(shop)
    commands_a_service(shop)
    is_told_again_after_a_kill(shop, arguments)
    serves_a_function(shop, arguments)
    a_killed_services_message_is_delivered_again(shop, arguments)
    refusals_name_what_is_wrong(shop)
    shop.close()
    print("all held")


if __name__ == "__main__":
    main()
