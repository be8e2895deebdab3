"""The other processes of the test: each is started with a role, prints a line for each step, and is ended by a signal.
Run as `roles.py ROLE STUBS EVENT_STORE MESSAGE_QUEUE`."""

import json
import pathlib
import sys
import time

from stubs import Shop

SERVICE, FUNCTION = "python-service", "double"


def say(line: str) -> None:
    print(line, flush=True)


def receive(shop: Shop):
    """Waits for the next request to the function."""
    while True:
        wanted = shop.message.ReceiveRequest(service_name=SERVICE, func_name=FUNCTION, timeout=5)
        request = shop.messages.recv_msg(wanted)
        if request.msg_id:
            return request


def serve(shop: Shop) -> None:
    """Answers every request with the double of its params."""
    shop.messages.get_msg(shop.message.GetRequest(service_name=SERVICE, func_name="unused"))
    say("serves")
    while True:
        request = receive(shop)
        params = json.loads(request.payload)["params"]
        name = {"service_name": SERVICE, "func_name": FUNCTION, "msg_id": request.msg_id}
        shop.messages.send_rsp(shop.message.SendRequest(**name, payload=json.dumps({"result": 2 * params})))
        shop.messages.ack_msg(shop.message.AckRequest(**name))
        say(f"answered {request.msg_id}")


def hold(shop: Shop) -> None:
    """Receives one request and doesn't answer it."""
    say(f"holds {receive(shop).msg_id}")
    time.sleep(3_600)


def listen(shop: Shop) -> None:
    """Subscribes to products in a group and prints their events."""
    wanted = shop.event.SubscribeRequest(event_topic="product", group_name="python-group")
    for event in shop.events.subscribe(wanted):
        say(f"told {event.event_id}")


if __name__ == "__main__":
    role, stubs, event_store, message_queue = sys.argv[1:]
    {"serve": serve, "hold": hold, "listen": listen}[role](Shop(pathlib.Path(stubs), event_store, message_queue))
