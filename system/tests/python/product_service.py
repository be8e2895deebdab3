"""A product service as it was written for the first OrderShop; run in place of OrderShop's own."""

import uuid

from original_service import EventStoreClient, Receivers, create_event, run, send_message
from stubs import Shop


class ProductService:
    def __init__(self, shop: Shop):
        self.shop = shop
        self.event_store = EventStoreClient(shop)
        functions = [self.create_products, self.update_product, self.delete_product]
        self.receivers = Receivers(shop, "product-service", functions)

    def start(self) -> None:
        self.receivers.start()

    def create_products(self, request) -> dict:
        ids = []
        for wanted in request if isinstance(request, list) else [request]:
            product = {"entity_id": str(uuid.uuid4()), "name": wanted["name"], "price": wanted["price"]}
            self.event_store.publish("product", create_event("entity_created", product))
            ids.append(product["entity_id"])
        return {"result": ids}

    def update_product(self, request) -> dict:
        product = {key: request[key] for key in ("entity_id", "name", "price")}
        self.event_store.publish("product", create_event("entity_updated", product))
        return {"result": True}

    def delete_product(self, request) -> dict:
        found = send_message(self.shop, "read-model", "get_entity", {"name": "product", "id": request["entity_id"]})
        if not found.get("result"):
            return {"error": "could not find product"}
        self.event_store.publish("product", create_event("entity_deleted", found["result"]))
        return {"result": True}


if __name__ == "__main__":
    run(ProductService)
