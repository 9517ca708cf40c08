"""Trees that are linked and cut and never have a loop: a link-cut tree (Sleator and Tarjan 1983) without reversal.

Whether a link would make a loop is answered in logarithmic time however deep the trees are, and at once for a node that
never had a child, which is nearly every message.
"""


class Forest:
    """Nodes 0..count-1; `parent[node]` is -1 for a root. Callers only read it.

    `_above`, `_left` and `_right` are the splay trees of the paths: left are ancestors, right descendants; what is
    above the root of one is the node of the next path up.
    """

    def __init__(self, count: int) -> None:
        self.parent = [-1] * count
        self._above = [-1] * count
        self._left = [-1] * count
        self._right = [-1] * count
        self._had_child = bytearray(count)

    def link(self, root: int, under: int) -> bool:
        """Puts the tree of `root` under a node; False, and nothing is done, when that is a node of this tree."""
        if root == under or (self._had_child[root] and self._root_of(under) == root):
            return False
        if self._had_child[root]:
            self._splay(root)
        self._above[root] = self.parent[root] = under
        self._had_child[under] = 1
        return True

    def cut(self, node: int) -> None:
        """Makes a node that has a parent a root."""
        self._access(node)
        above = self._left[node]
        self._above[above] = self._left[node] = self.parent[node] = -1

    def _root_of(self, node: int) -> int:
        self._access(node)
        left = self._left
        while left[node] >= 0:
            node = left[node]
        self._splay(node)
        return node

    def _access(self, node: int) -> None:
        """Makes the way from the root to `node` one path with `node` at the root of its splay tree."""
        above, right = self._above, self._right
        last, at = -1, node
        while at >= 0:
            self._splay(at)
            right[at] = last
            last, at = at, above[at]
        self._splay(node)

    def _is_top(self, node: int) -> bool:
        up = self._above[node]
        return up < 0 or (self._left[up] != node and self._right[up] != node)

    def _splay(self, node: int) -> None:
        above, left = self._above, self._left
        while not self._is_top(node):
            up = above[node]
            if not self._is_top(up):
                same = (left[up] == node) == (left[above[up]] == up)
                self._rotate(up if same else node)
            self._rotate(node)

    def _rotate(self, node: int) -> None:
        above, left, right = self._above, self._left, self._right
        up = above[node]
        higher, top = above[up], self._is_top(up)
        near, far = (left, right) if left[up] == node else (right, left)
        near[up] = far[node]
        if near[up] >= 0:
            above[near[up]] = up
        far[node] = up
        above[up] = node
        above[node] = higher
        if not top:
            (left if left[higher] == up else right)[higher] = node
