"""Three replicas behind a real nginx that deals requests out in turn, on one PostgreSQL and a real Redis."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.crash.cluster import Cluster
from tests.crash.harness import free_port
from tests.system.nginx import Nginx

REPLICAS = 3


class Behind:
    """The cluster as the world sees it: one address."""

    def __init__(self, cluster: Cluster, nginx: Nginx) -> None:
        self.cluster = cluster
        self.url = nginx.url

    async def rows(self, sql: str) -> list[dict[str, object]]:
        return await self.cluster.rows(sql)


@asynccontextmanager
async def behind_nginx(folder: Path, **settings: str) -> AsyncIterator[Behind]:
    """Everything up and answering; `settings` are those of every replica."""
    async with Cluster(folder / "cluster", roles=("all",) * REPLICAS, **settings) as cluster:
        port = free_port(random.SystemRandom())
        nginx = Nginx(folder / "nginx", port, [server.port for server in cluster.gateways])
        try:
            nginx.start()
            yield Behind(cluster, nginx)
        finally:
            nginx.stop()
