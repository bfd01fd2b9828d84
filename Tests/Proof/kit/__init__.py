"""What every proof needs: clients, servers that can be hurt, load that knows what it wrote."""
