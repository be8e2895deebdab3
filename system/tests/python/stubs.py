"""The contracts' clients, generated from the .proto files when the test runs, as a service in Python would do it."""

import pathlib
import sys

import grpc
import grpc_tools
from grpc_tools import protoc

CONTRACTS = ["event_store.proto", "message_queue.proto"]


def generate(contracts: pathlib.Path, out: pathlib.Path) -> None:
    """Writes the modules into `out`."""
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        ["protoc", f"-I{contracts}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}", *CONTRACTS]
    )
    if code != 0:
        sys.exit(f"protoc failed: {code}")


class Shop:
    """Clients of the two servers, over a separate connection to each."""

    def __init__(self, out: pathlib.Path, event_store: str, message_queue: str):
        sys.path.insert(0, str(out))
        import event_store_pb2
        import event_store_pb2_grpc
        import message_queue_pb2
        import message_queue_pb2_grpc

        self.event = event_store_pb2
        self.message = message_queue_pb2
        # Without this, channels to one address in one process share a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channels = [grpc.insecure_channel(address, options) for address in (event_store, message_queue)]
        self.events = event_store_pb2_grpc.EventStoreStub(self.channels[0])
        self.messages = message_queue_pb2_grpc.MessageQueueStub(self.channels[1])

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
