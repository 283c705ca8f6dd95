// The conversation, by modbus-serial: node with_modbus_serial.js HOST PORT UNIT
const ModbusRTU = require("modbus-serial");
const [host, port, unit] = process.argv.slice(2);

(async () => {
    const client = new ModbusRTU();
    await client.connectTCP(host, { port: Number(port) });
    client.setID(Number(unit));
    client.setTimeout(5000);
    const bits = (reply, count) => reply.data.slice(0, count).map(Number);
    const said = [
        (await client.readHoldingRegisters(10, 5)).data,
        (await client.readInputRegisters(3, 3)).data,
        bits(await client.readDiscreteInputs(0, 4), 4),
    ];
    await client.writeCoil(7, true);
    said.push(bits(await client.readCoils(6, 3), 3));
    await client.writeRegister(20, 4711);
    said.push((await client.readHoldingRegisters(20, 1)).data);
    await client.writeRegisters(21, [1, 65535]);
    said.push((await client.readHoldingRegisters(21, 2)).data);
    await client.writeCoils(10, [true, false, true]);
    said.push(bits(await client.readCoils(10, 3), 3));
    try {
        await client.readHoldingRegisters(5000, 1);
        said.push("not refused");
    } catch (error) {
        said.push(`exception ${error.modbusCode}`);
    }
    console.log(JSON.stringify(said));
    client.close(() => process.exit(0));
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
