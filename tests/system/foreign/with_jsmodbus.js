// The conversation, by jsmodbus: node with_jsmodbus.js HOST PORT UNIT
const net = require("net");
const Modbus = require("jsmodbus");
const [host, port, unit] = process.argv.slice(2);

const socket = new net.Socket();
const client = new Modbus.client.TCP(socket, Number(unit), 5000);

socket.on("error", (error) => {
    console.error(error);
    process.exit(1);
});
socket.on("connect", async () => {
    const values = async (asked) => Array.from((await asked).response.body.valuesAsArray);
    const bits = async (asked, count) => (await values(asked)).slice(0, count).map(Number);
    try {
        const said = [
            await values(client.readHoldingRegisters(10, 5)),
            await values(client.readInputRegisters(3, 3)),
            await bits(client.readDiscreteInputs(0, 4), 4),
        ];
        await client.writeSingleCoil(7, true);
        said.push(await bits(client.readCoils(6, 3), 3));
        await client.writeSingleRegister(20, 4711);
        said.push(await values(client.readHoldingRegisters(20, 1)));
        await client.writeMultipleRegisters(21, [1, 65535]);
        said.push(await values(client.readHoldingRegisters(21, 2)));
        await client.writeMultipleCoils(10, [true, false, true]);
        said.push(await bits(client.readCoils(10, 3), 3));
        try {
            await client.readHoldingRegisters(5000, 1);
            said.push("not refused");
        } catch (refused) {
            said.push(`exception ${refused.response.body.code}`);
        }
        console.log(JSON.stringify(said));
        process.exit(0);
    } catch (error) {
        console.error(error);
        process.exit(1);
    }
});
socket.connect({ host, port: Number(port) });
