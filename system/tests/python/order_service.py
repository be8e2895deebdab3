"""An order service as it was written for the first OrderShop; run in place of OrderShop's own: it takes commands, and follows an order's
payment and shipping. Its orders are an id, a cart and a status."""

import time
import uuid

from original_service import EventStoreClient, Receivers, create_event, run, send_message
from stubs import Shop

GROUP = "order-service"
PATIENCE_S = 20


class OrderService:
    def __init__(self, shop: Shop):
        self.shop = shop
        self.event_store = EventStoreClient(shop)
        functions = [self.create_orders, self.update_order, self.delete_order]
        self.receivers = Receivers(shop, "order-service", functions)

    def start(self) -> None:
        billings = {"entity_created": self.billing_created, "entity_deleted": self.billing_deleted}
        shippings = {"entity_created": self.shipping_created, "entity_updated": self.shipping_updated}
        self.event_store.subscribe("billing", GROUP, billings)
        self.event_store.subscribe("shipping", GROUP, shippings)
        self.receivers.start()

    def find(self, kind: str, entity_id: str) -> dict | None:
        return send_message(self.shop, "read-model", "get_entity", {"name": kind, "id": entity_id})["result"]

    def create_orders(self, request) -> dict:
        ids = []
        for wanted in request if isinstance(request, list) else [request]:
            if not self.find("cart", wanted["cart_id"]):
                return {"error": "could not find cart"}
            order = {"entity_id": str(uuid.uuid4()), "cart_id": wanted["cart_id"], "status": "CREATED"}
            self.event_store.publish("order", create_event("entity_created", order))
            ids.append(order["entity_id"])
        return {"result": ids}

    def update_order(self, request) -> dict:
        self.event_store.publish("order", create_event("entity_updated", request))
        return {"result": True}

    def delete_order(self, request) -> dict:
        order = self.find("order", request["entity_id"])
        if not order:
            return {"error": "could not find order"}
        self.event_store.publish("order", create_event("entity_deleted", order))
        return {"result": True}

    def billing_created(self, billing: dict) -> None:
        self.move_on(billing["order_id"], ["IN_STOCK", "UNCLEARED"], "CLEARED")

    def billing_deleted(self, billing: dict) -> None:
        self.move_on(billing["order_id"], ["CLEARED"], "UNCLEARED")

    def shipping_created(self, shipping: dict) -> None:
        self.move_on(shipping["order_id"], ["CLEARED"], "SHIPPED")

    def shipping_updated(self, shipping: dict) -> None:
        if shipping["delivered"]:
            self.move_on(shipping["order_id"], ["SHIPPED"], "DELIVERED")

    def move_on(self, order_id: str, before: list[str], after: str) -> None:
        """Changes an order's status. The read model may not show its last status yet, so it is asked again."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            order = self.find("order", order_id)
            if order and order["status"] in before:
                event = create_event("entity_updated", {**order, "status": after})
                self.event_store.publish("order", event)
                return
            time.sleep(0.05)


if __name__ == "__main__":
    run(OrderService)
