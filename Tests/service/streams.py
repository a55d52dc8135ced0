#!/usr/bin/env python3
"""Subscribers of one job's events, while the daemon is killed and started again: each sees every event once, in order.

    Tests/service/streams.py                      50 subscribers
    Tests/service/streams.py --subscribers 500

They speak as a browser's EventSource does: an event counts when its blank line has come, a cut stream is asked for again
with Last-Event-ID, and 204 ends it.
"""

import argparse
import asyncio
import random
import time

from daemon import Daemon

SHELL = """
for ((n = 1; n <= %d; n++)); do event metric '{"step":'$n'}'; nap; done
result
"""


class Subscriber:
    def __init__(self, daemon, id):
        self.daemon, self.path, self.ids = daemon, f"/v1/jobs/{id}/events", []
        self.connections = 0

    async def run(self):
        while not await self.listen():
            await asyncio.sleep(random.uniform(0.02, 0.2))

    async def listen(self):
        """One connection; whether there is nothing more to come."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.daemon.port)
        except OSError:
            return False
        try:
            last = f"Last-Event-ID: {self.ids[-1]}\r\n" if self.ids else ""
            writer.write(f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n{last}\r\n".encode())
            status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
            if status == 204:
                return True
            assert status in (200, 503), status
            if status == 200:
                self.connections += 1
                await self.read(reader)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
        return False

    async def read(self, reader):
        text = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            text += (await reader.readexactly(size + 2))[:-2]
            *events, text = text.split(b"\n\n")
            for event in events:
                if event.startswith(b"id: "):
                    self.ids.append(int(event[4:event.index(b"\n")]))


async def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--subscribers", type=int, default=50)
    options.add_argument("--events", type=int, default=200)
    options = options.parse_args()
    begun = time.monotonic()
    with Daemon() as daemon:
        _, made = daemon.submit(1, SHELL % options.events)
        id = made["id"]
        subscribers = [Subscriber(daemon, id) for _ in range(options.subscribers)]
        tasks = [asyncio.create_task(subscriber.run()) for subscriber in subscribers]
        largest = 0
        for share, end in [(0.25, daemon.kill), (0.5, daemon.stop), (0.75, daemon.kill)]:
            while min(len(subscriber.ids) for subscriber in subscribers) < share * options.events:
                await asyncio.sleep(0.02)
            largest = max(largest, daemon.rss())
            await asyncio.to_thread(end)
            daemon.start()
        await asyncio.wait_for(asyncio.gather(*tasks), 300)
        last = daemon.get(f"/v1/jobs/{id}")["lastSeq"]
        assert last > options.events
        for subscriber in subscribers:
            assert subscriber.ids == list(range(1, last + 1)), subscriber.ids
        connections = sum(subscriber.connections for subscriber in subscribers)
        print(f"{options.subscribers} subscribers saw {last} events each, once and in order, over "
              f"{daemon.started} starts of the daemon and {connections} connections; "
              f"server at most {largest:.0f} MiB; {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
