"""What a service of the first OrderShop is made of: a client of the event store, receivers of its functions, calls of other services' functions.
Its events' data are strings of JSON, as the first OrderShop's are. Must not know what the services do."""

import json
import pathlib
import sys
import threading
import time
import uuid

import grpc
from stubs import Shop, generate


def create_event(action: str, data: dict) -> dict:
    return {"event_id": str(uuid.uuid4()), "event_action": action, "event_data": json.dumps(data)}


class EventStoreClient:
    """Publishes events, and calls handlers with the events of other services."""

    def __init__(self, shop: Shop):
        self.shop = shop

    def publish(self, topic: str, event: dict) -> None:
        request = self.shop.event.PublishRequest(event_topic=topic, event_info=json.dumps(event))
        self.shop.events.publish(request)

    def subscribe(self, topic: str, group: str, handlers: dict) -> None:
        """Calls the action's handler with the entity of each event, in a thread; returns when the subscription has begun."""
        begun = threading.Event()
        threading.Thread(target=self._run, args=(topic, group, handlers, begun), daemon=True).start()
        begun.wait()

    def _run(self, topic: str, group: str, handlers: dict, begun: threading.Event) -> None:
        while True:
            try:
                wanted = self.shop.event.SubscribeRequest(event_topic=topic, group_name=group)
                subscription = self.shop.events.subscribe(wanted)
                subscription.initial_metadata()
                begun.set()
                for event in subscription:
                    if event.event_action in handlers:
                        handlers[event.event_action](json.loads(event.event_data))
            except grpc.RpcError as error:
                print(f"{topic}: {error}", file=sys.stderr)
                time.sleep(0.2)


def send_message(shop: Shop, service: str, function: str, params: dict) -> dict:
    """Calls a function of another service."""
    name = {"service_name": service, "func_name": function}
    request = shop.message.SendRequest(**name, payload=json.dumps({"params": params}))
    name["msg_id"] = shop.messages.send_msg(request).msg_id
    response = shop.messages.recv_rsp(shop.message.ReceiveRequest(**name, timeout=30))
    shop.messages.ack_rsp(shop.message.AckRequest(**name))
    return json.loads(response.payload)


class Receivers:
    """A thread for each of a service's functions: it receives a request, calls the function, acknowledges and responds."""

    def __init__(self, shop: Shop, service: str, functions: list):
        self.shop = shop
        self.service = service
        self.threads = [threading.Thread(target=self._run, args=(function,)) for function in functions]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def wait(self) -> None:
        for thread in self.threads:
            thread.join()

    def _run(self, function) -> None:
        name = {"service_name": self.service, "func_name": function.__name__}
        messages, message = self.shop.messages, self.shop.message
        while True:
            request = messages.recv_msg(message.ReceiveRequest(**name, timeout=5))
            if not request.msg_id:
                continue
            try:
                response = function(json.loads(request.payload)["params"])
            except Exception as error:  # A bad request must not end the receiver.
                response = {"error": f"{type(error).__name__}: {error}"}
            # In this order, as the first OrderShop's receivers do it.
            messages.ack_msg(message.AckRequest(**name, msg_id=request.msg_id))
            messages.send_rsp(message.SendRequest(**name, msg_id=request.msg_id, payload=json.dumps(response)))


def run(service_class) -> None:
    """Runs a service: `SERVICE.py CONTRACTS STUBS EVENT_STORE MESSAGE_QUEUE`. Prints `serves` when it does."""
    contracts, stubs, event_store, message_queue = sys.argv[1:]
    generate(pathlib.Path(contracts), pathlib.Path(stubs))
    service = service_class(Shop(pathlib.Path(stubs), event_store, message_queue))
    service.start()
    print("serves", flush=True)
    service.receivers.wait()
